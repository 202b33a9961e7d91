-- compiled.lua SCRIPT [ARG ...] - runs a script in which every function is compiled: mmap.compile is called for each
-- function that is made, up to four times for each place in the text. What the script prints must be the same.
--
-- As a library, `loadfile "compiled.lua"()` returns a function that changes a source text. Lines stay as they are.

local opens <const> = { ["function"] = true, ["if"] = true, ["do"] = true, ["repeat"] = true }

-- The tokens that matter, each with its place: words, names, brackets, "=", ".", ":". Strings, numbers, comments are left out.
local function tokens(text)
  local all, at = {}, 1
  if text:find "^#" then at = text:find("\n", 1, true) or #text + 1 end
  while at <= #text do
    local first, last, word = text:find("^([%a_][%w_]*)", at)
    if first then
      all[#all + 1] = { word, first, last }
      at = last + 1
    else
      local level = text:match("^%-%-%[(=*)%[", at) or text:match("^%[(=*)%[", at)
      local quote = text:match("^[\"']", at)
      if level then
        local _, stop = text:find("]" .. level .. "]", at, true)
        at = (stop or #text) + 1
      elseif text:find("^%-%-", at) then
        at = text:find("\n", at, true) or #text + 1
      elseif quote then
        at = at + 1
        while text:sub(at, at) ~= quote and at <= #text do at = at + (text:sub(at, at) == "\\" and 2 or 1) end
        at = at + 1
      else
        local _, stop = text:find("^%d[%w.]*", at)
        if not stop and not text:find("^%s", at) then all[#all + 1] = { text:sub(at, at), at, at } end
        at = (stop or at) + 1
      end
    end
  end
  return all
end

-- Puts every function into a call of `__compiled`, a global variable.
local function change(text)
  local all, edits, stack = tokens(text), {}, {}
  local function edit(from, to, new) edits[#edits + 1] = { from, to, new, #edits } end
  local i = 1
  while i <= #all do
    local word, first, last = all[i][1], all[i][2], all[i][3]
    if word == "function" then
      local after = ")"
      local before = all[i - 1] and all[i - 1][1] or ""
      if before == "(" and all[i - 2][1] == "compile" then
        after = "" -- it is compiled already
      elseif all[i + 1][1] == "(" then
        edit(first, last, "__compiled(function")
      else
        -- A name: function a.b:c(...)
        local stop, name, is_method = i + 1, "", false
        while all[stop][1] ~= "(" do
          if all[stop][1] == ":" then is_method = true end
          name = name .. (all[stop][1] == ":" and "." or all[stop][1])
          stop = stop + 1
        end
        local open = all[stop][2]
        local given = is_method and (all[stop + 1][1] == ")" and "self" or "self, ") or ""
        if before == "local" then
          edit(all[i - 1][2], open, ("local %s; %s = __compiled(function(%s"):format(name, name, given))
        else
          edit(first, open, ("%s = __compiled(function(%s"):format(name, given))
        end
        after = ");"
        i = stop
      end
      stack[#stack + 1] = { "function", after }
    elseif opens[word] then
      stack[#stack + 1] = { word }
    elseif word == "end" or word == "until" then
      local top = table.remove(stack)
      if top and top[1] == "function" then edit(first, last, "end" .. top[2]) end
    end
    i = i + 1
  end
  table.sort(edits, function(a, b) return a[1] < b[1] end)
  local parts, at = {}, 1
  for _, each in ipairs(edits) do
    parts[#parts + 1] = text:sub(at, each[1] - 1) .. each[3]
    at = each[2] + 1
  end
  return table.concat(parts) .. text:sub(at)
end

-- Compiles what is made, not in loops without end.
local times = {}
function __compiled(f)
  local place = debug.getinfo(f, "S")
  local key = place.source .. ":" .. place.linedefined
  times[key] = (times[key] or 0) + 1
  return times[key] <= 4 and mmap.compile(f) or f
end

if not arg or not arg[0] or not arg[0]:find "compiled%.lua$" then return change end
local file <close> = assert(io.open(arg[1], "rb"))
local chunk, problem = load(change(file:read "a"), "@" .. arg[1], "t")
if not chunk then error(problem, 0) end
arg = table.move(arg, 1, #arg, 0, {})
return chunk(table.unpack(arg))

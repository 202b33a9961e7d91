-- grep.lua [-acFhilnoqv] [-e] PATTERN [FILE]... - the lines in which a regular expression (PCRE2, as of
-- `grep -P`) is found, in files of any size. Without FILE, or for -, of the standard input.
-- grep.lua --generate LINES FILE - writes a log to try it on.
--
--   -i  upper and lower case are the same     -c  the number of lines, not the lines
--   -F  PATTERN is text, not an expression    -l  the names of files with such a line
--   -v  the lines in which it is not found    -o  what was found, each in a line of its own
--   -n  the number of each line in front      -h  no file names in front, which several FILEs have
--   -a  binary files are text too             -q  nothing but the status
--   --color=auto|always|never: what is found in color; auto is on a terminal, NO_COLOR unset
--
-- The status is 0 where lines were found, 1 where none was, 2 after an error, as of grep(1). A match is sought
-- in the whole mapping, on which a line is only looked for around what was found: that is what makes it fast.
--
-- test: --generate 3000 "$TMP/app.log"
-- test: -n "user [0-9]+7\b" "$TMP/app.log"
-- test: -ciF "ERROR" "$TMP/app.log" "$EXAMPLES/grep.lua"
-- test: -o --color=always "(GET|PUT) \S+" "$TMP/app.log"

local mmap = require "mmap"

local USAGE <const> = [=[
usage: mmaplua grep.lua [-acFhilnoqv] [--color[=WHEN]] [-e] PATTERN [FILE]...
       mmaplua grep.lua --generate LINES FILE
]=]

local function usage(format, ...)
  if format then io.stderr:write("grep.lua: ", format:format(...), "\n") end
  io.stderr:write(USAGE)
  os.exit(2)
end

local function generate(lines, path)
  math.randomseed(lines)
  local file <close> = assert(io.open(path, "wb"))
  local levels = { "info", "info", "info", "info", "warning", "ERROR" }
  for i = 1, lines do
    assert(file:write(("2026-11-26T%02d:%02d:%02d %s user %d: %s /item/%d in %.1f ms\n"):format(
      i // 3600 % 24, i // 60 % 60, i % 60, levels[math.random(#levels)], math.random(5000),
      math.random(4) == 1 and "PUT" or "GET", math.random(90000), math.random() * 200)))
  end
end

-- The options, each its letter; `pattern`; the files in a list.
local function read_arguments()
  local options, files, rest = { color = "auto" }, {}, false
  local i = 1
  while arg[i] do
    local word = arg[i]
    if rest or word == "-" or word:sub(1, 1) ~= "-" then
      if options.pattern then files[#files + 1] = word else options.pattern = word end
    elseif word == "--" then
      rest = true
    elseif word == "--help" then
      io.write(USAGE)
      os.exit(0, true)
    elseif word:find "^%-%-colou?r" then
      options.color = word:match "^%-%-colou?r=(%a+)$" or word:match "^%-%-colou?r$" and "always" or ""
      if not ("auto always never"):find(options.color, 1, true) or options.color == "" then usage("%s: not auto, always or never", word) end
    elseif word == "-e" then
      i = i + 1
      if options.pattern or not arg[i] then usage "one pattern is needed" end
      options.pattern = arg[i]
    elseif word:find "^%-[acFhilnoqv]+$" then
      for letter in word:gmatch "%a" do options[letter] = true end
    else
      usage("unknown option '%s'", word)
    end
    i = i + 1
  end
  if not options.pattern then usage "a pattern is needed" end
  if #files == 0 then files[1] = "-" end
  return options, files
end

local function is_terminal()
  local term = os.getenv "TERM"
  if os.getenv "NO_COLOR" or not term or term == "dumb" then return false end
  local ok, yes = pcall(os.execute, "test -t 1") -- Lua itself cannot tell
  return ok and yes == true
end

-- What finds: find(b, offset) → offset, length of the next match in a buffer or a string, or nil.
local function compile(options)
  local text = options.pattern
  if options.F and not options.i and text ~= "" and not text:find("\n", 1, true) then
    return function(b, offset)
      if type(b) == "string" then
        local first = b:find(text, offset + 1, true)
        return first and first - 1, #text
      end
      return b:find(text, offset), #text
    end
  end
  if options.F then text = text:gsub("[^%w\n]", "\\%0"):gsub("\n", "|") end
  local ok, re = pcall(mmap.regex, text, options.i and "mi" or "m")
  if not ok then
    io.stderr:write("grep.lua: ", options.pattern, ": ", re:match "%((.*)%)$" or re, "\n")
    os.exit(2, true)
  end
  -- What can see beyond a line is tried on each line by itself.
  local alone = text:find "\\[AzZGKRXC]" or text:find("(?<", 1, true) or text:find("(*", 1, true) or text:find("(?", 1, true)
  return function(b, offset) return re:find(b, offset) end, alone ~= nil
end

-- Calls found(offset, end) for each line in which there is a match, in order; false ends it.
local function matching_lines(b, find, alone, found)
  local size, from = #b, 0
  if alone then
    for line, offset in b:lines() do
      if find(line, 0) and found(offset, offset + #line) == false then return end
    end
    return
  end
  while from < size do
    local place, length = find(b, from)
    if not place or place == size and b[size - 1] == 10 then return end
    local before = b:rfind("\n", from, place - from)
    local start = before and before + 1 or from
    local stop = b:find("\n", place) or size
    -- [^x] and \s take newlines too: such a match may not be one of this line.
    if place + length <= stop or find(b:string(start, stop - start), 0) then
      if found(start, stop) == false then return end
    end
    from = stop + 1
  end
end

-- As above, for the lines that are left over.
local function other_lines(b, find, alone, found)
  local from, ended = 0, false
  local function gap(stop)
    if stop > from then
      for offset, length in b:slice(from, stop - from):lines { ranges = true } do
        if found(from + offset, from + offset + length) == false then return false end
      end
    end
  end
  matching_lines(b, find, alone, function(start, stop)
    ended = gap(start) == false
    from = stop + 1
    return not ended
  end)
  if not ended then gap(#b) end
end

local function put(...) assert(io.stdout:write(...)) end

-- Prints what is wanted of one file, and says whether there was a line.
local function search(b, name, options, find, alone)
  local paint = options.paint
  local function painted(color, text) return paint and ("\27[%sm\27[K%s\27[m\27[K"):format(color, text) or text end
  local function prefix(number)
    if options.names then put(painted("35", name), painted("36", ":")) end
    if number then put(painted("32", number), painted("36", ":")) end
  end
  local binary = not options.a and b:find("\0", 0, math.min(#b, 1 << 15)) ~= nil
  local lines, number, counted = 0, 1, 0
  local each = options.v and other_lines or matching_lines
  each(b, find, alone, function(start, stop)
    lines = lines + 1
    if options.l or options.q then return false end
    if options.c then return end
    if binary then
      io.stderr:write("grep.lua: ", name, ": binary file matches\n")
      return false
    end
    if options.n then
      number, counted = number + b:count("\n", counted, start - counted), start
    end
    local line = b:string(start, stop - start)
    if not options.o then prefix(options.n and number) end
    local at = 0
    while (options.o or paint) and not options.v and at <= #line do
      local place, length = find(line, at)
      if not place then break end
      if length == 0 then
        if not options.o then put(line:sub(at + 1, place + 1)) end
        at = place + 1
      else
        if options.o then prefix(options.n and number) else put(line:sub(at + 1, place)) end
        put(painted("01;31", line:sub(place + 1, place + length)), options.o and "\n" or "")
        at = place + length
      end
    end
    if not options.o then put(line:sub(at + 1), "\n") end
  end)
  if options.c then
    prefix()
    put(lines, "\n")
  elseif options.l and lines > 0 then
    put(painted("35", name), "\n")
  end
  return lines > 0
end

local function open(path)
  if path ~= "-" then
    local b = mmap.open(path)
    b:advise "sequential"
    return b, path
  end
  local text = assert(io.read "a")
  local b = mmap.anonymous(math.max(#text, 1))
  b:copy(0, text)
  return b:slice(0, #text), "(standard input)"
end

if arg[1] == "--generate" then
  local lines = math.tointeger(tonumber(arg[2]))
  if #arg ~= 3 or not lines or lines < 0 then usage() end
  generate(lines, arg[3])
  return
end
local options, files = read_arguments()
local find, alone = compile(options)
options.names = #files > 1 and not options.h
options.paint = options.color == "always" or options.color == "auto" and is_terminal()
local status = 1
for _, path in ipairs(files) do
  local ok, found = pcall(function()
    local b <close>, name = open(path)
    return search(b, name, options, find, alone)
  end)
  if not ok then
    -- One bad file does not keep the others from being searched.
    io.stderr:write("grep.lua: ", type(found) == "table" and found.message or tostring(found), "\n")
    status = 2
  elseif found and status == 1 then
    status = 0
  end
  if options.q and status == 0 then break end
end
if not io.stdout:flush() and status < 2 then status = 2 end
os.exit(status, true)

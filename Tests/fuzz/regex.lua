-- Regular expressions on shared memory against PCRE2's interpreter on a copy.
local common = require "common"

local FLAGS <const> = { "i", "m", "s", "x", "u" }

-- Offsets of a match of re:find, in the form of fuzz.regex.
local function offsets_of(found)
  if found[1] == nil then return false end
  local offsets = { found[1], found[1] + found[2] }
  for i = 3, found.n, 2 do
    local at, length = found[i], found[i + 1]
    offsets[#offsets + 1] = at or -1
    offsets[#offsets + 1] = at and at + length or -1
  end
  return offsets
end

-- PCRE2's JIT does not reset captures of a possessive group when it gives up the group: a|()*+b|().
local function show(offsets, pattern)
  if not offsets then return "no match" end
  local is_possessive = pattern:find "%)[*+?]%+" or pattern:find "%)%b{}%+" or pattern:find("(?>", 1, true)
  return table.concat(offsets, " ", 1, is_possessive and 2 or #offsets)
end

-- Whether no search from any offset reaches a limit of the interpreter: a slow one may take forever in the JIT.
local function is_quick(pattern, flags, subject)
  for from = 0, #subject do
    if fuzz.regex(pattern, flags, subject, from, true) == nil then return false end
  end
  return true
end

-- Compares the number of matches of re:gmatch with re:count.
local function check_count(re, b, offset, about)
  local matches = 0
  for _ in re:gmatch(b, offset, "offsets") do matches = matches + 1 end
  local count = re:count(b, offset)
  if count ~= matches then error(("%s: %d by count, %d by gmatch"):format(about, count, matches)) end
end

return function(input)
  local r = common.reader(input)
  local how, kind, offset, pattern = r:byte(), r:byte(), r:byte(), r:text(r:byte() & 127)
  local flags = ""
  for i, flag in ipairs(FLAGS) do if kind >> (i - 1) & 1 == 1 then flags = flags .. flag end end
  local subject = r:text(1024)
  offset = how & 2 == 2 and math.min(offset, #subject) or 0
  local about = ("/%q/%s on %q from %d"):format(pattern, flags, subject, offset)
  local wanted, may_be_empty = fuzz.regex(pattern, flags, subject, offset, true)
  local is_good, re = pcall(mmap.regex, pattern, flags)
  if may_be_empty == nil then
    if is_good then error(about .. ": compiled") end
    return
  end
  if not is_good then error(("%s: %s"):format(about, re)) end
  -- Past a limit of the interpreter the answer is unknown, and the JIT is slow too.
  if wanted == nil then return re:close() end
  local b = common.place(subject, how & 1 == 1)
  local found = table.pack(pcall(re.find, re, b, offset, "offsets"))
  if not found[1] then
    local message = tostring(found[2])
    local is_reversed = wanted and wanted[1] > wanted[2]
    -- The JIT has limits of its own.
    local is_known = is_reversed and message:find "\\K put" or message:find "too many steps" or message:find "too much memory"
    if is_known then return re:close() end
    error(("%s: %s"):format(about, message))
  end
  local got = show(offsets_of(table.pack(table.unpack(found, 2, found.n))), pattern)
  -- In invalid UTF-8, or inside a character, the JIT finds an empty match that the interpreter does not.
  local is_utf8 = utf8.len(subject) and utf8.len(subject, offset + 1)
  local is_comparable = is_utf8 or not (may_be_empty and flags:find "u")
  -- Before a match, PCRE2 searches for bytes that the match must start with or contain. With verbs like (*COMMIT) this
  -- changes the result, and for some patterns it is wrong: accept the result without that optimization too.
  if is_comparable and got ~= show(wanted, pattern)
    and got ~= show(fuzz.regex(pattern, flags, subject, offset, false), pattern) then
    error(("%s: %s, not %s"):format(about, got, show(wanted, pattern)))
  end
  -- After an empty match, the next search must not be empty; is_quick did not test such searches.
  local is_simple = not (may_be_empty and pattern:find("(?", 1, true))
  if how & 4 == 4 and #subject <= 32 and is_simple and is_quick(pattern, flags, subject) then
    check_count(re, b, offset, about)
  end
  re:close()
end

-- Regular expressions on shared memory against PCRE2's interpreter on a copy.
local common = require "common"

local FLAGS <const> = { "i", "m", "s", "x", "u" }

-- The offsets of a match as fuzz.regex gives them, of what re:find gives.
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

local function show(offsets) return offsets and table.concat(offsets, " ") or "no match" end

-- Whether no search from any place meets a limit of the interpreter: what is slow there may take for ever here.
local function is_quick(pattern, flags, subject)
  for from = 0, #subject do
    if fuzz.regex(pattern, flags, subject, from, true) == nil then return false end
  end
  return true
end

-- All matches, and how many re:count says there are.
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
  -- Beyond a limit of the interpreter nothing is known, and what is slow there is slow here.
  if wanted == nil then return re:close() end
  local b = common.place(subject, how & 1 == 1)
  local found = table.pack(pcall(re.find, re, b, offset, "offsets"))
  if not found[1] then
    local message = tostring(found[2])
    local is_reversed = wanted and wanted[1] > wanted[2]
    -- The JIT has limits of its own.
    local is_known = is_reversed and message:find "\\K moved" or message:find "too many steps" or message:find "more steps than" or message:find "too much memory"
      -- A subject that is too short for the pattern is not tried, but where only a part of it is looked at.
      or message:find "recurses without end" and fuzz.regex(pattern, flags, subject, offset, false) == nil
    if is_known then return re:close() end
    error(("%s: %s"):format(about, message))
  end
  local got = show(offsets_of(table.pack(table.unpack(found, 2, found.n))))
  -- Where it checks for UTF-8, the interpreter reads no further back than one lookbehind goes, though there may be
  -- another one in it.
  local lookbehinds = select(2, pattern:gsub("%(%?<", "")) + select(2, pattern:gsub("%(%*", ""))
  local is_comparable = not flags:find "u" or lookbehinds < 2 or offset == 0 and utf8.len(subject)
  -- PCRE2 looks for what a match must begin with, or contain, before it tries: with verbs like (*COMMIT) that changes
  -- what is found, and in some patterns it is wrong.
  if is_comparable and got ~= show(wanted)
    and got ~= show(fuzz.regex(pattern, flags, subject, offset, false)) then
    error(("%s: %s, not %s"):format(about, got, show(wanted)))
  end
  -- After an empty match a search that takes none begins, which is_quick knows nothing of.
  local is_simple = not (may_be_empty and pattern:find("(?", 1, true))
  if how & 4 == 4 and #subject <= 32 and is_simple and is_quick(pattern, flags, subject) then
    check_count(re, b, offset, about)
  end
  re:close()
end

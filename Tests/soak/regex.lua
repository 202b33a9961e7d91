-- regex.lua --seed N --calls N [--verbose]: machine code of PCRE2 against its interpreter.
--
-- Random patterns in random subjects, strings and buffers: with (*NO_JIT) in front, which has them interpreted, all
-- matches and captures are the same. Where a limit ends either, nothing is compared. Before that, patterns that PCRE2
-- 10.42 or 10.47 is known to get wrong.
local options = dofile(arg[0]:gsub("[^/]*$", "") .. "options.lua")
local mmap = require "mmap"
math.randomseed(options.seed)
local random = math.random
local function pick(list) return list[random(#list)] end

local atoms = {
  "a", "b", "c", "ab", "ba", "cab", "acb", ".", "[ab]", "[^a]", "[a-c]", "[0-9]", "\\w", "\\W", "\\d", "\\s", "\\D", "\\b", "\\B", "^", "$", "\\A", "\\z",
  "\\Z", "\\G", "\\n", "\\R", "\\h", "\\H", "\\v", "\\V", "\\X", "\\N", "é", "€", "𝄞", "[é-€]", "[^é]", "(?i)A", "(?i:B)", "\\p{L}", "\\pN", "[[:alpha:]]",
  "x", "", "\\K", "(?s:.)", "1", " ", "🇦", "\r\n" }
local counts = {
  "", "", "", "", "", "*", "+", "?", "*?", "+?", "??", "*+", "++", "?+", "{2}", "{0,2}", "{1,3}?", "{2,}", "{0}", "{1,2}+", "{3}", "{2,4}" }
local openings = { "(", "(", "(", "(?:", "(?:", "(?>", "(?=", "(?!", "(?<=", "(?<!", "(?|", "(?<n>", "(*atomic:", "(?i:", "(*sr:" }
local verbs = { "(*COMMIT)", "(*PRUNE)", "(*SKIP)", "(*THEN)", "(*FAIL)", "(*ACCEPT)", "(*MARK:m)", "(*SKIP:m)", "(*PRUNE:m)" }

local groups, has_verbs
local alternatives
local function sequence(depth)
  local list = {}
  for _ = 1, random(0, 3) do
    local kind, item = random(20), nil
    if depth > 0 and kind < 7 then
      item = pick(openings)
      if item == "(" or item == "(?<n>" then groups = groups + 1 end
      item = item .. alternatives(depth - 1) .. ")"
    elseif depth > 0 and kind == 7 then
      local condition = pick { "(?(%d)", "(?(?=a)", "(?(?!b)", "(?(R)" }
      item = condition:format(random(groups + 1)) .. sequence(depth - 1) .. pick { "", "|" .. sequence(depth - 1) } .. ")"
    elseif kind == 8 then
      item = pick { "\\%d", "\\g{%d}" }:format(random(groups + 1))
    elseif kind == 9 and random(2) == 1 then
      item = pick { "(?%d)", "(?%d)", "(?R)" }:format(random(groups + 1))
    elseif kind == 10 and has_verbs then
      item = pick(verbs)
    else
      item = pick(atoms)
    end
    list[#list + 1] = item .. pick(counts)
  end
  return table.concat(list)
end
function alternatives(depth)
  local text = sequence(depth)
  while random(3) == 1 do text = text .. "|" .. sequence(depth) end
  return text
end

local pieces = { "a", "b", "c", "ab", "\n", "A", "B", "é", "€", " ", "\r\n", "1", "𝄞", "🇦", "x" }
local invalid = { "\xff", "\x80", "\xc3", "\xe2\x82", "\xf0\x9f" }
local function text()
  local list, is_valid = {}, random(3) > 1
  for i = 1, random(6) > 1 and random(0, 9) or random(0, 200) do
    list[i] = not is_valid and random(6) == 1 and pick(invalid) or random(2) == 1 and pieces[random(4)] or pick(pieces)
  end
  return table.concat(list)
end

-- ---- all matches of a pattern; nil beyond a limit

local limits = { "more steps than", "too many steps", "too much memory", "recurses without end", "PCRE2 error -52", "\\K moved the start" }
local function matches(re, subject, from)
  local list = {}
  local ok, e = pcall(function()
    local step = re:gfind(subject, from, "offsets")
    local found = table.pack(step())
    while found[1] do
      for i = 1, found.n do found[i] = tostring(found[i]) end
      list[#list + 1] = table.concat(found, " ")
      found = table.pack(step())
    end
  end)
  if ok then return table.concat(list, ", "), #list end
  for _, limit in ipairs(limits) do if tostring(e):find(limit, 1, true) then return nil end end
  error(e, 0)
end

local compared, patterns, limited = 0, 0, 0
-- The same in a buffer that ends at its mapping's end: scripts/soak puts a hole there.
local memory = mmap.anonymous(mmap.PAGESIZE)
local function compare(pattern, flags, subject, from, machine, interpreted)
  local wanted, count = matches(interpreted, subject, from)
  if not wanted then limited = limited + 1 return false end
  local b = memory:slice(#memory - #subject)
  b:copy(0, subject)
  for _, s in ipairs { subject, b } do
    local found = matches(machine, s, from)
    if not found then limited = limited + 1 return false end
    local ok, counted = pcall(machine.count, machine, s, from)
    compared = compared + 1
    if found ~= wanted or ok and counted ~= count then
      error(("/%q/%s in %q from %d: %s (%s by count), not %s"):format(pattern, flags, subject, from, found, counted, wanted))
    end
  end
  return true
end

local function try(pattern, flags, subjects)
  local steps = { steps = 3000 }
  local ok, machine = pcall(mmap.regex, pattern, flags, steps)
  local is_good, interpreted = pcall(mmap.regex, "(*NO_JIT)" .. pattern, flags, steps)
  if ok ~= is_good then error(("/%q/%s: %s"):format(pattern, flags, ok and interpreted or machine)) end
  if not ok then return end
  patterns = patterns + 1
  for _, subject in ipairs(subjects) do
    if options.verbose then print(("/%q/%s in %q"):format(pattern, flags, subject)) end
    if not compare(pattern, flags, subject, 0, machine, interpreted) then break end
    if #subject > 0 and not compare(pattern, flags, subject, random(0, #subject), machine, interpreted) then break end
  end
  machine:close()
  interpreted:close()
end

-- ---- patterns that PCRE2 is known to get wrong, and their like

local branches = { "(,|)", "(?:,|)", "(a|,|)", "(b|)", "x?", "x??", "x*", "(x|y|)", "-?", "(?:a|b|)" }
local rests = { "\\s*,", "\\s*?,", "y*,", "y*?a", "ab[0-9]{0,2}", "ba.{2}", "b\\d{2}", "ab\\D{2}", "é\\H{2}", "a\\X{2}", "b\\pL{2,}", "a\\V{1,3}", "ab[cd]{2}" }
for _, branch in ipairs(branches) do
  for _, rest in ipairs(rests) do
    for _, flags in ipairs { "", "u", "i", "iu" } do
      try(branch .. rest, flags, { ",", "a", "cbabc", " abab", "-ab12", ("-"):rep(30) .. "abababéabab", "" })
    end
  end
end
for _, pattern in ipairs { "a|()*+b|()", "a+(*PRUNE)b|.", "(?=a)b?a", "(?<=[ab]?+){2}", "b++(?<=c?+)+", "|((*ACCEPT)())++b+", "\\X{1,2}+\\W", ".*+", "(.*?)++" } do
  for _, flags in ipairs { "", "u", "m", "su" } do
    try(pattern, flags, { "", "b", "aa", "abab", "1abcbA\n", "\xe2\x82abababc\xe2\x82b\xe2\x82\xac", "\x80\na", "a\xff", "🇦🇦🇦" })
  end
end

while compared < options.calls do
  groups, has_verbs = 0, random(4) == 1
  local flags = pick { "", "", "i", "m", "s" } .. pick { "", "u" }
  local subjects = {}
  for i = 1, 3 do subjects[i] = text() end
  try(alternatives(3), flags, subjects)
end
print(("%d calls, %d patterns, %d beyond a limit"):format(compared, patterns, limited))

-- edit.lua [FILE FIND REPLACE] - replaces every FIND in FILE by REPLACE, which is as long, in place: no
-- copy of the file is written, only the pages that change. A second mapping, read-only, shows that the
-- bytes are those of the file and not of a buffer of this script. Without arguments the file is a
-- temporary one.
--
-- test:
-- test: "$(echo a stock >"$TMP/f" && echo "$TMP/f")" stock shock

local mmap = require "mmap"

local SHOWN <const> = 3 -- places

-- Dumps the lines around each place, none twice.
local function show(title, b, places, length)
  print(title)
  local shown = 0
  for _, place in ipairs(places) do
    local from = math.max(shown, (place // 16 - 1) * 16)
    local to = math.min(#b, ((place + math.min(length, 32) - 1) // 16 + 2) * 16)
    if from < to then print((b:hexdump(from, to - from):gsub("%x+\n$", ""))) end
    shown = math.max(shown, to)
  end
end

local function plural(n, noun) return n .. " " .. noun .. (n == 1 and "" or "s") end

local function edit(path, find, replace)
  -- "r+" is shared: what is written goes to the file. ("c" would be a private copy.)
  local b <close> = mmap.open(path, "r+")
  local second <close> = mmap.open(path)

  -- Only the first places are remembered: there may be more than memory has room for.
  local places, count, last, at = {}, 0, nil, b:find(find)
  if not at then error(("%s: no %q in it"):format(path, find), 0) end
  while at and #places < SHOWN do
    places[#places + 1] = at
    at = b:find(find, at + #find) -- after it: matches do not overlap
  end

  show("Before, in the second mapping:", second, places, #find)
  at = places[1]
  while at do
    b:copy(at, replace)
    count, last, at = count + 1, at, b:find(find, at + #find)
  end
  show("After:", second, places, #find)

  -- The second mapping, and read(2), show a change at once: they are the same pages. What sync adds is
  -- that they are on the disk when it returns (true: it waits), in case the machine stops now.
  local offset, length = b:sync(places[1], last + #find - places[1], true)
  print(("%s: %s of %s replaced"):format(path, plural(count, "place"), plural(#find, "byte")))
  print(("  the %s from offset %d, whole pages, are on the disk"):format(plural(length, "byte"), offset))
end

local function demonstrate()
  local path = os.tmpname()
  local removed <close> = setmetatable({}, { __close = function() os.remove(path) end })
  local file <close> = assert(io.open(path, "w"))
  assert(file:write "What is written to a shared mapping\nis read from the file.\n")
  assert(file:close())
  edit(path, "shared", "SHARED")
end

if #arg ~= 0 and #arg ~= 3 then
  io.stderr:write "usage: mmaplua edit.lua [FILE FIND REPLACE]\n"
  os.exit(2)
end
local path, find, replace = table.unpack(arg)
if path and (#find == 0 or #find ~= #replace) then
  -- In place, what is after FIND stays where it is.
  io.stderr:write(("edit.lua: FIND has %s and REPLACE %s; they must be equally long, and not empty\n"):format(
    plural(#find, "byte"), plural(#replace, "byte")))
  os.exit(2)
end
local ok, e = pcall(path and edit or demonstrate, path, find, replace)
if not ok then
  io.stderr:write(tostring(e), "\n")
  os.exit(1)
end

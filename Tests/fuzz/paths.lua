-- Paths in the sandbox: realpath(3) allows every opened file, and no answer depends on files outside.
local common = require "common"

local top = fuzz.realpath(fuzz.folder())
local function file(path) assert(io.open(top .. path, "w")):close() end
for _, path in ipairs { "/in", "/in/d", "/out", "/out/e", "/alt", "/alt/s", "/start" } do fuzz.mkdir(top .. path) end
for _, path in ipairs { "/in/a", "/in/d/b", "/out/s", "/out/e/f", "/alt/e", "/alt/g" } do file(path) end
local LINKS <const> = {
  ["/in/up"] = "..", ["/in/leave"] = "../out", ["/in/secret"] = "../out/s", ["/in/esc"] = top .. "/out/e", ["/in/abs"] = top .. "/in/d",
  ["/in/self"] = "self", ["/in/dang"] = "missing", ["/in/c1"] = "c2", ["/in/c2"] = "d/b", ["/in/slash"] = "d/", ["/in/far"] = "../out/none/x",
  ["/out/back"] = "../in/d", ["/alt/back"] = "s", ["/alt/f"] = "../in", ["/start/in"] = top .. "/in", ["/start/out"] = "../out",
  ["/in/d/top"] = top, ["/in/d/long"] = ("./"):rep(500) .. "b",
}
for path, target in pairs(LINKS) do fuzz.symlink(target, top .. path) end
fuzz.chdir(top .. "/start")

local NAMES <const> = {
  "in", "d", "b", "a", "..", ".", "../in", "../out", "/", "new", top, "", "up", "leave", "secret", "esc", "abs", "self", "dang", "c1",
  "c2", "slash", "far", "out", "s", "e", "f", "back", "top", "long", "start", "../out/e/..",
}
local READ <const>, WRITE <const> = 1, 2
local CREATE <const>, EXCLUSIVE <const>, TRUNCATE <const>, FOLDER <const> = 0x40, 0x80, 0x200, 0x10000
local FLAGS <const> = {
  0, 1, 2, 0 | FOLDER, CREATE, 1 | CREATE, 2 | CREATE, 1 | CREATE | EXCLUSIVE, 1 | TRUNCATE, 0 | TRUNCATE, 2 | CREATE | TRUNCATE, 0,
}
local ACCESS <const> = { r = READ, w = WRITE, b = READ | WRITE }

local function access_of(flags)
  local way = flags & 3
  local access = way == 0 and READ or way == 1 and WRITE or READ | WRITE
  return flags & (CREATE | TRUNCATE) ~= 0 and access | WRITE or access
end

-- Up to `most` names with slashes between; a byte without a name stands for itself.
local function read_path(r, most)
  local names = {}
  for i = 1, most do
    local byte = r:byte()
    if byte == 0 then break end
    names[i] = NAMES[byte] or string.char(byte)
  end
  return (table.concat(names, "/"):gsub("^//+", "/"):sub(1, 4200))
end

local function is_below(path, folder) return path == folder or folder == "/" or path:sub(1, #folder + 1) == folder .. "/" end

-- Whether the allowances cover an access to a path. For a path with a missing folder, realpath(3) gives that folder.
local function covers(allowed, access, path, is_sure)
  local covered = 0
  for _, one in ipairs(allowed) do
    if one.place and is_below(path, one.place) and (one.is_there or not is_sure) then covered = covered | one.access end
  end
  return covered & access == access
end

local function is_ours(path)
  if LINKS[path:sub(#top + 1)] then return true end
  for _, name in ipairs { "/in/a", "/in/d/b", "/out/s", "/out/e/f", "/alt/e", "/alt/g" } do
    if path == top .. name then return true end
  end
end

-- Removes a created file, so that every input starts from the same state.
local function clean(path, flags)
  if path and flags & CREATE ~= 0 and not is_ours(path) and path ~= top then os.remove(path) end
end

-- The flags, but never to create or truncate a file outside of the test's folder: enough `..` lead out.
local function harmless(path, flags)
  local place = fuzz.realpath(path)
  if place and is_below(place, top) then return flags end
  return flags & ~(CREATE | EXCLUSIVE | TRUNCATE)
end

-- Names that lead up, or from allowed to forbidden places.
local OUTSIDE <const> = { out = true, back = true, up = true, leave = true, secret = true, far = true, esc = true, top = true }

-- Whether a path has none of these names, and no `..` where it may not go up.
local function is_plain(path, may_go_up)
  for name in path:gmatch "[^/]+" do
    if OUTSIDE[name] or name == ".." and not may_go_up then return false end
  end
  return true
end

return function(input)
  local r = common.reader(input)
  local how, flags = r:byte(), FLAGS[r:byte() % #FLAGS + 1]
  local allowed, words, is_apart = {}, {}, true
  for i = 1, 1 + (how & 3) do
    local letter = ({ "r", "w", "b" })[(how >> 2 * i) % 3 + 1]
    local path = read_path(r, 6)
    words[i] = letter .. path
    local place, is_there = fuzz.realpath(path)
    allowed[i] = { access = ACCESS[letter], place = place, is_there = is_there }
    is_apart = is_apart and is_plain(path, true) and not (place and (is_below(place, top .. "/out") or is_below(top .. "/out", place)))
  end
  local path = read_path(r, 24)
  flags = harmless(path, flags)
  local about = ("%q with flags %#x in %s"):format(path, flags, table.concat(words, " "))
  local access = access_of(flags)

  local plain_path, plain_number = fuzz.plain_open(path, flags)
  clean(plain_path, flags)
  local got, number = fuzz.open(path, flags, table.unpack(words))
  clean(got, flags)
  if got then
    if not covers(allowed, access, got) then error(about .. ": opened " .. got) end
    if got ~= plain_path or flags & CREATE == 0 and number ~= plain_number then
      error(("%s: opened %s, not %s"):format(about, got, plain_path))
    end
  elseif plain_path and is_plain(path) and covers(allowed, access, plain_path, true) then
    error(("%s: refused (%s), though it leads to %s"):format(about, number, plain_path))
  end
  if not is_apart then return end
  fuzz.exchange(top .. "/out", top .. "/alt")
  local other, other_number = fuzz.open(path, flags, table.unpack(words))
  clean(other, flags)
  fuzz.exchange(top .. "/out", top .. "/alt")
  if got ~= other or not got and number ~= other_number then
    error(("%s: %s %s, and %s %s with something else outside"):format(about, got, number, other, other_number))
  end
end

-- large.lua: a sparse file of 1 TiB; two processes on one file, one of them killed; ten thousand mappings
-- while another process cuts their files short. Ends with 0 if all is as it should be.
local mmap = require "mmap"
local program = arg[-1]
local PAGE, TIB = mmap.PAGESIZE, 1 << 40

local function resident()
  for line in io.lines "/proc/self/status" do
    local kib = line:match "^VmRSS:%s*(%d+)"
    if kib then return tonumber(kib) end
  end
end
local function write(path, text)
  local f <close> = assert(io.open(path, "wb"))
  f:write(text)
end

-- ---- 1 TiB
if os.execute("truncate -s " .. TIB .. " huge 2>/dev/null") then
  local b = mmap.open("huge", "r+")
  assert(#b == TIB and b[0] == 0 and b[TIB - 1] == 0)
  b[0], b[TIB - 1] = 1, 2
  assert(not pcall(function() return b[TIB] end))
  b:advise "random"
  b:advise(TIB - PAGE, PAGE, "willneed")
  b:sync(0, PAGE, true)
  b:sync(TIB - PAGE, PAGE, true)
  b:sync(true)
  local before = resident()
  local absent, present = b:incore()
  assert(absent + present == TIB // PAGE and present >= 2, absent .. " + " .. present)
  assert(resident() - before < 64 * 1024, "counting took " .. resident() - before .. " KiB")
  local s = b:slice(TIB - 10)
  assert(s[9] == 2 and #s == 10 and s:string(8) == "\0\2")
  b:close()
  os.remove "huge"
else print "skipped: this file system takes no file of 1 TiB" end

-- ---- another process sees what this one syncs, and what a killed one synced is there
write("shared", ("\0"):rep(3 * PAGE))
do
  local b <close> = mmap.open("shared", "r+")
  b:copy(PAGE, "from the first")
  b:sync(true)
  write("reader.lua", [[io.write(mmap.open("shared"):string(4096 * 0 + tonumber(arg[1]), 14))]])
  local p <close> = io.popen(program .. " reader.lua " .. PAGE)
  assert(p:read "a" == "from the first")
end
write("writer.lua", [[
  local b = mmap.open("shared", "r+")
  for i = 1, 1000 do
    b:fill(i % 251, 0, 2 * mmap.PAGESIZE)
    b:sync(true)
    b:set("u32le", 2 * mmap.PAGESIZE, i)
    b:sync(true)
    if i == 5 then io.popen("kill -9 $PPID"):close() end
  end]])
os.execute("sh -c '" .. program .. " writer.lua' 2>/dev/null")
do
  local b <close> = mmap.open "shared"
  local told = b:get("u32le", 2 * PAGE)
  assert(told >= 5 and told < 1000, "the writer said " .. told .. " and was to be killed at 5")
  assert(b:count(string.char(told % 251)) >= 2 * PAGE or b[0] == (told + 1) % 251, "what was synced is lost")
end

-- ---- ten thousand mappings, opened and closed at random, their files cut short by another process
for i = 0, 3 do write("f" .. i, ("x"):rep(2 * PAGE)) end
local maps, lost, read = {}, 0, 0
math.randomseed(7)
local cutter = io.popen [[for k in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do for i in 0 1 2 3; do truncate -s 10 f$i; truncate -s 8192 f$i; done; sleep 0.05; done]]
local function open_one(i)
  local ok, b = pcall(mmap.open, "f" .. math.random(0, 3), "r+")
  maps[i] = ok and b or nil
end
for i = 1, 10000 do open_one(i) end
for _ = 1, 30000 do
  local i = math.random(10000)
  local b = maps[i]
  if not b then open_one(i) else
    local ok, e = pcall(function() local n = #b for k = 0, n - 1, PAGE do b[k] = b[k] end return b:count "x" end)
    if ok then read = read + 1 else
      assert(e.code == "SIGBUS" or tostring(e):find "lost", tostring(e))
      lost = lost + 1
      b:close()
      maps[i] = nil
    end
    if math.random(3) == 1 then b:close() open_one(i) end
  end
end
cutter:close()
for i = 0, 3 do write("f" .. i, "") end
-- Now all that is left is lost: each says so, the ten-thousandth too.
for i, b in pairs(maps) do
  assert(#b <= PAGE or not pcall(function() return b[PAGE] end), "mapping " .. i .. " read what is not there")
end
print(("10000 calls, of mappings read %d, lost %d"):format(read, lost))

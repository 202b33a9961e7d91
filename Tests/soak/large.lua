-- large.lua: a sparse file of 1 TiB; two processes on one file, one of them killed; ten thousand mappings while another
-- process truncates their files. Ends with status 0 if all is right.
local mmap = require "mmap"
local program = arg[-1]
local PAGE, TIB = mmap.PAGESIZE, 1 << 40

-- A value of /proc/self/status, in KiB: VmRSS, or VmHWM, the peak since `forget_peak`.
local function status(name)
  for line in io.lines "/proc/self/status" do
    local kib = line:match("^" .. name .. ":%s*(%d+)")
    if kib then return tonumber(kib) end
  end
end
-- Resets the peak to the resident memory of now: proc_pid_clear_refs(5).
local function forget_peak()
  local f <close> = assert(io.open("/proc/self/clear_refs", "w"))
  f:write "5"
end
-- Returns the results of f; raises if f needed more than 80 MiB at any moment.
local function bounded(what, f)
  collectgarbage()
  forget_peak()
  local before = status "VmRSS"
  local results = table.pack(f())
  local taken = status "VmHWM" - before
  assert(taken < 80 * 1024, what .. " took " .. taken .. " KiB")
  return table.unpack(results, 1, results.n)
end
do
  -- Check that `bounded` detects memory that was freed again.
  local function take() local b <close> = mmap.anonymous(100 << 20, { populate = true }) end
  local ok, e = pcall(bounded, "100 MiB", take)
  assert(not ok and e:find "100 MiB took", e)
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
  local absent, present = bounded("counting", function() return b:incore() end)
  assert(absent + present == TIB // PAGE and present >= 2, absent .. " + " .. present)
  -- One bit per page is 32 MiB; the picture takes two.
  local pages = bounded("pages", function() return b:pages() end)
  assert(#pages == TIB // PAGE and pages[0] and pages[#pages - 1] and pages:count() >= 2, tostring(pages))
  pages = nil
  local picture = bounded("show", function() return tostring(b:show { width = 80 }) end)
  assert(picture:find("1 TiB", 1, true) and #picture < 10000, picture)
  local s = b:slice(TIB - 10)
  assert(s[9] == 2 and #s == 10 and s:string(8) == "\0\2")
  b:close()
  os.remove "huge"
else print "skipped: this file system takes no file of 1 TiB" end

-- ---- another process sees what this one syncs, and a killed one's synced bytes are in the file
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
do
  -- The signal may be reported by the shell in between.
  local _, how, code = os.execute(program .. " writer.lua 2>/dev/null")
  assert(how == "signal" and code == 9 or code == 128 + 9, "the writer was not killed: " .. how .. " " .. code)
  local b <close> = mmap.open "shared"
  local told = b:get("u32le", 2 * PAGE)
  assert(told == 5, "the writer said " .. told .. " and was to be killed at 5")
  assert(b:count("\5", 0, 2 * PAGE) == 2 * PAGE, "what was synced is lost")
end

-- ---- ten thousand mappings, opened and closed at random, while another process truncates their files
-- (Not the files f0 to f3: the neighbor of scripts/soak would grow them when they must stay empty.)
for i = 0, 3 do write("g" .. i, ("x"):rep(2 * PAGE)) end
local maps, opened, read, lost = {}, 0, 0, 0
math.randomseed(7)
write("cutting", "")
local cutter = io.popen [[while [ -e cutting ]; do
  for i in 0 1 2 3; do truncate -s 10 g$i; truncate -s 8192 g$i; done; sleep 0.05
done]]
local function open_one(i)
  maps[i] = mmap.open("g" .. math.random(0, 3), "r+")
  opened = opened + 1
end
local function code_of(ok, e) return not ok and type(e) == "table" and e.code or tostring(e) end
for i = 1, 10000 do open_one(i) end
local until_time = os.time() + 60
while read + lost < 30000 or lost == 0 and os.time() < until_time do
  local i = math.random(10000)
  local b = maps[i]
  local ok, e = pcall(function() local n = #b for k = 0, n - 1, PAGE do b[k] = b[k] end return b:count "x" end)
  if ok then read = read + 1 else
    assert(code_of(ok, e) == "SIGBUS", tostring(e))
    lost = lost + 1
  end
  if not ok or math.random(3) == 1 then b:close() open_one(i) end
end
os.remove "cutting"
cutter:close()
assert(lost > 0 and read > lost, ("read %d, lost %d"):format(read, lost))
-- Now all remaining mappings are lost: each must raise, the ten-thousandth too.
for i = 0, 3 do write("g" .. i, "") end
for i = 1, 10000 do
  local b = maps[i]
  for _ = 1, 2 do
    local code = code_of(pcall(function() return b[#b - 1] end))
    assert(code == "SIGBUS", ("mapping %d: %s"):format(i, code))
  end
end
print(("%d calls, mappings opened %d, read %d, lost %d"):format(opened + read + lost, opened, read, lost))

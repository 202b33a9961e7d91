-- mincore.lua - which pages are in memory, and why it may not tell

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE
local PAGES <const> = 64

step "In memory, and not in the page table"
say [[mincore(2) says for each page of a mapping whether touching it would have to wait for a disk. For a file that is a question
about the page cache, which all share, and not about this process.]]
local b, here, entry
run(function()
  mmap.open("file.bin", "w+", { size = PAGES * PAGE }):fill "x"
  b = mmap.open("file.bin", "r+")
  here, entry = b:pages(), b:smaps()
  print(here)
  print("in the page table of this mapping:", entry.rss // PAGE)
  return here:count() == PAGES
end, { tries = 5 })
claim(here:count() == PAGES and entry.rss == 0, "%d pages are in memory, %d of them were touched through this mapping", here:count(),
  entry.rss // PAGE)

step "An answer about the past"
say "The answer is true at the moment when the kernel gives it. A moment later anybody may have evicted the page."
local gone, stayed
run(function()
  here = b:pages()
  gone, stayed = mmap.evict "file.bin" -- this could be another process
  print("the answer we have", here)
  print("the answer now    ", b:pages())
  return not lesson.has_disk or stayed == 0
end, { tries = 10 })
if lesson.has_disk then
  claim(here:count() > 0 and stayed == 0, "%d pages were in memory, and %d are", here:count(), stayed)
else
  say("On %s the pages stay, as they are nowhere else. The answer is always the same there, and says nothing about the disk.", lesson.filesystem)
  claim(gone == 0, "evicted: %d", gone)
end

step "How to be sure"
say "Only a locked page stays: mlock(2) brings the pages in and keeps them."
local locked, problem
run(function()
  locked, problem = pcall(b.lock, b)
  here = b:pages()
  print(locked and here or problem)
end)
if not locked then lesson.skip("locking is not allowed here: %s", problem)
else
  gone, stayed = mmap.evict(b)
  claim(here:count() == PAGES and b:pages():count() == PAGES, "all %d pages are in memory, also after evict", b:pages():count())
  b:unlock()
end

step "Memory without a file"
ask "Of 64 pages of anonymous memory we write ten. What will mincore say?"
local a <const> = mmap.anonymous(PAGES * PAGE)
pcall(a.advise, a, "nohugepage")
run(function()
  a:fill(1, 0, 10 * PAGE)
  here = a:pages()
  print(here)
  return here:count() == 10
end)
-- What went to swap meanwhile is not in memory.
claim(here:count() <= 10 and here:count() + a:smaps().swap // PAGE >= 10,
  "%d pages: there is no page cache behind it, so nobody else can have brought anything in", here:count())

step "Why it may not tell"
say [[The page cache is shared by all users. Who can ask which pages of a file are in memory can watch others work: which page of
a library the other program runs in, key by key (Gruss and others, "Page Cache Attacks", CCS 2019). Since Linux 5.2 mincore(2)
therefore answers truly only about files that the caller owns or may write. For others it says that every page is in memory.

A number that is made up is worse than none. mmaplua raises an error where the kernel would hide the truth.]]
local function identity()
  local file <close> = io.open "/proc/self/status"
  return file and tonumber(file:read("a"):match "Uid:%s+%d+%s+(%d+)")
end
local function foreign()
  for _, path in ipairs { "/etc/passwd", "/bin/sh", "/etc/hosts" } do
    if not io.open(path, "r+") then
      local file = io.open(path)
      if file and file:seek "end" > 0 then return path end
    end
  end
end
local path <const> = foreign()
if identity() == 0 then
  lesson.skip "root owns everything, so the kernel hides nothing. Run this lesson as an ordinary user."
elseif not path then
  lesson.skip "no file was found that can be read and neither is ours nor may be written"
else
  local answer
  run(function()
    local f <close> = mmap.open(path)
    answer = select(2, pcall(f.incore, f))
    print(answer)
  end)
  claim(type(answer) == "table" and answer.code == "EPERM", "asking about %s is an error: %s", path, tostring(answer and answer.code))
end

lesson.next [[
  b:incore()        two counts, absent and present
  b:pages()         each page
  b:cachestat()     counts from the page cache: also dirty, evicted (Linux 6.5)

cachestat(2) is faster than mincore(2) for large files. Why?]]

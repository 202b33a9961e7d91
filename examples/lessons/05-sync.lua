-- sync.lua - dirty and written, what a crash loses, and MS_ASYNC

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE
local b

-- Dirty pages by cachestat(2); before Linux 6.5 by what smaps says of this mapping's page table.
local function dirty()
  local ok, state = pcall(b.cachestat, b)
  if ok then return state.dirty + state.writeback end
  local entry = b:smaps()
  return (entry.shared_dirty + entry.private_dirty) // PAGE
end

step "Writing is writing to memory"
say [[A write to a shared mapping changes a page in the page cache. The kernel marks the page dirty and writes it to the disk
when it finds it convenient: some 30 seconds later, or when too many are dirty.]]
run(function()
  b = mmap.open("journal.bin", "w+", { size = 256 * PAGE })
  b:fill "." -- so that every page has its place on the disk
  b:sync(true)
  print("dirty pages after sync:", dirty())
end)

if not lesson.has_disk then
  say([[This folder is on %s. There is no disk behind it, so no page is ever waiting to be written: the page cache is the
file.]], lesson.filesystem)
  ask "What does `sync` do here, and what is left when the machine is switched off?"
  local evicted, stayed
  run(function()
    b:fill "!"
    print(b:sync(true))
    evicted, stayed = mmap.evict(b)
    print("evicted", evicted, "stayed", stayed)
  end)
  claim(b:count "!" == #b, "sync succeeds, and there was nothing for it to do")
  claim(evicted == 0, "no page can leave the memory: %d stayed. A crash of the machine loses all of them", stayed)
  lesson.next "Run this lesson in a folder on a disk: `TMPDIR=$HOME mmaplua --lesson sync`"
  return
end
claim(dirty() == 0, "sync(true) returns when the disk has everything: %d dirty pages", dirty())

step "Dirty pages"
ask "We write one byte to each of ten pages. How many pages does the kernel have to write?"
local count
run(function()
  b:sync(true)
  for page = 0, 9 do b[page * PAGE] = string.byte "!" end
  count = dirty()
  print(b:show())
  return count >= 10
end, { tries = 10 }) -- the kernel may write them in between, for reasons of its own
-- Some file systems keep account in blocks that are larger than a page.
claim(count >= 10, "%d pages are dirty: a page, or a block of the file system, is the least that can be written", count)

step "Why MS_ASYNC does nothing"
say [[msync(2) knows two ways. `MS_SYNC` (`b:sync(true)`) writes and waits. `MS_ASYNC` (`b:sync(false)`) is said to begin
writing and not to wait.]]
ask "How many pages will be dirty after `b:sync(false)`?"
local after
run(function()
  b:sync(true)
  for page = 0, 9 do b[page * PAGE] = string.byte "?" end
  b:sync(false)
  after = dirty()
  print("dirty after MS_ASYNC:", after)
  return after >= 10
end, { tries = 10 })
claim(after >= 10, "%d pages are as dirty as before", after)
say [[Since Linux 2.6.19 the kernel knows of every dirty page by itself, because the first write to a clean page is a fault.
`MS_ASYNC` was to tell it, and there is nothing left to tell. It checks its arguments and returns. Who wants the writing to
begin uses sync_file_range(2); who must know that it has ended uses `MS_SYNC`.]]
run(function()
  b:sync(true)
  print("dirty after MS_SYNC:", dirty())
end)
claim(dirty() == 0, "after MS_SYNC there are %d", dirty())

step "What a crash loses"
say [[If the program crashes, nothing: the page is not the program's but the kernel's. Here another mmaplua writes to the file,
and is killed in the middle of its work, without sync, without unmapping.]]
b:copy(0, "before")
run(function()
  local script = [[
    b = mmap.open("journal.bin", "r+")
    b:copy(0, "rescue")
    os.execute "kill -9 $PPID"
    b:copy(0, "failed")
  ]]
  local command = ("exec %s -e '%s'"):format(lesson.program, script)
  local _, how, number = os.execute(command)
  print(how, number, "and the file says", b:string(0, 6))
end)
claim(b:string(0, 6) == "rescue", "what the killed process had written is in the file")
say [[If the machine crashes, every dirty page may be lost, and the kernel may have written them in any order: the last change may
be on the disk and the first one not. A program that must not lose data calls `sync(true)` at the points where the file is
consistent, and believes what the call returns. That is no more than the disk has promised; a disk may lie about its own
cache.]]

lesson.next [[
  b = mmap.open("f", "w+", { size = 1 << 20 })   b:fill(1)   b:sync(true)

`mmaplua --trace` shows how long msync(2) takes. How long is it for one page, and how long for a thousand? Why are databases not simply a
mapping and a sync? Lesson mmap-or-read has the literature.]]

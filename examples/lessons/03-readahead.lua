-- readahead.lua - one touch brings in many pages, and advice says how many

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE
local PAGES <const> = 4096
local PLACE <const> = 2048 -- the page that is touched, in the middle

-- The kernel's own word on how far it reads ahead on this device.
local function readahead()
  local file = lesson.device and io.open("/sys/class/bdi/" .. lesson.device .. "/read_ahead_kb")
  local kib = file and file:read "n"
  if file then file:close() end
  return kib and kib * 1024 // PAGE
end

step "A cold file"
say [[A page of a file is read from the disk when it is first needed, and then stays in memory as long as there is room:
in the page cache. To see how it gets there we need a file that is not there. `evict` writes what is dirty and drops
the pages: posix_fadvise(2) with `POSIX_FADV_DONTNEED`.]]
local b, before, came
run(function()
  b = mmap.open("cold.bin", "w+", { size = PAGES * PAGE })
  b:fill "data"
  print("evicted and left:", b:evict())
  print(b:pages())
end)

if not lesson.has_disk then
  say([[This folder is on %s: its files live in the page cache and nowhere else. A page that was written cannot leave, so
there is no cold file here, nothing to read ahead, and advice has nothing to advise.]], lesson.filesystem)
  claim(b:pages():count() == PAGES, "all %d pages are still in memory", PAGES)
  step "What is different here"
  say [[Only a hole is not in memory. When a page of it is touched the kernel makes one of zeros; there is no disk to
read neighbors from.]]
  ask "The whole file is a hole, and we read one byte in the middle of it. How many of its 4096 pages will be in memory?"
  local h
  run(function()
    h = mmap.sparse("hole.bin", PAGES * PAGE)
    h:touch(PLACE * PAGE, 1)
    came = h:pages()
    print(came)
  end)
  claim(came[PLACE], "the page that was touched is there")
  claim(came:count() < PAGES, "and %s of %d in all", lesson.plural(came:count(), "page"), PAGES)
  lesson.next "Run this lesson in a folder on a disk: `TMPDIR=$HOME mmaplua --lesson readahead`"
  return
end

-- A long read arrives in pieces. cachestat(2) knows of the pages that are still on their way.
local function wait_for_disk()
  local count, same = b:pages():count(), 0
  for _ = 1, 100000 do
    local ok, state = pcall(b.cachestat, b)
    local now = b:pages():count()
    if ok and now == state.cached then break end
    same = now == count and same + 1 or 0
    if not ok and same > 500 then break end
    count = now
  end
end

-- What one touch in the middle of the cold file brings in. Another program can evict pages or bring them in, so a
-- result that cannot be this touch's own is measured again.
local function touch(advice, is_sound)
  for _ = 1, 10 do
    b:close()
    b = mmap.open "cold.bin" -- a file opened anew has no history of reading
    b:evict()
    if b:pages():count() == 0 then
      b:advise(advice)
      before = b:pages()
      b:touch(PLACE * PAGE, 1)
      wait_for_disk()
      came = b:pages():diff(before)
      if is_sound(came) then return came end
    end
  end
  return came or b:pages()
end
local function first_and_last(pages)
  local first, last
  for start, n in pages:ranges() do first, last = first or start, start + n - 1 end
  return first or -1, last or -1
end

local expected = readahead()
step "One touch"
if expected then say("The kernel reads up to %d KiB ahead on this device (`/sys/class/bdi/%s/read_ahead_kb`).", expected * PAGE >> 10, lesson.device) end
ask "The whole file is cold, and we read one byte in the middle of it. How many of its 4096 pages will be in memory?"
local normal, first, last
run(function()
  normal = touch("normal", function(p) return p:count() > 1 end)
  print(b:show { since = before })
end)
first, last = first_and_last(normal)
if expected == 0 then
  lesson.skip "the readahead of this device is switched off"
else
  claim(normal:count() > 1, "one byte was read, and %d pages came in: %d to %d", normal:count(), first, last)
  claim(first <= PLACE and last >= PLACE, "page %d, which was touched, is among them, with pages on both sides or at an edge", PLACE)
  say [[For a mapping the kernel reads around the place: it guesses that neighbors will be wanted, and on a disk one large
read costs little more than a small one. Wrong guesses cost memory, and time that others wait for the disk.]]
end

step "Advice: random"
say "`random` tells the kernel not to guess."
ask "And now?"
local random
run(function()
  random = touch("random", function(p) return p:count() == 1 end)
  print(b:show { since = before })
end)
claim(random:count() == 1 and random[PLACE], "%s came in, the one that was touched", lesson.plural(random:count(), "page"))

step "Advice: sequential"
say "`sequential` says that we go from the front to the back. Then the pages in front of the place are of no use."
local sequential
run(function()
  sequential = touch("sequential", function(p)
    return first_and_last(p) == PLACE
  end)
  print(b:show { since = before })
end)
first, last = first_and_last(sequential)
claim(first == PLACE, "%s came in, from the one that was touched on: %d to %d", lesson.plural(sequential:count(), "page"), first, last)

step "Advice: willneed"
say [[`willneed` starts reading a range now, without a touch and without waiting: the program can do something else, and
finds the pages there when it comes.]]
local seen
run(function()
  b:advise "random"
  b:evict()
  b:advise(0, 64 * PAGE, "willneed")
  wait_for_disk()
  seen = b:pages(0, 64 * PAGE):count()
  print(b:pages())
  return seen == 64
end, { tries = 5 })
claim(seen == 64, "%d of the 64 pages are in memory, and the program has touched none", seen)

lesson.next [[
Measure what the advice is worth: `mmap.faults` counts the bytes that were read from the disk.

  local b = mmap.open "large.bin"
  b:evict()
  print(mmap.faults(b.touch, b, 0, #b, 1 << 20).read)

Then the same with `b:advise "random"` in front. Lesson mmap-or-read does it.]]

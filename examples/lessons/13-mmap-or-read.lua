-- mmap-or-read.lua - the same work with mmap(2) and with read(2), cold and warm

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE
local SIZE <const> = 32 << 20
local PLACES <const> = 64 -- pages that are visited at random

step "The question"
say [[A file can be read with read(2), which copies bytes from the page cache into the program's memory, or it can be mapped, and
the program looks at the page cache itself. No copy sounds faster. Whether it is depends: a mapping pays with page faults, and
leaves to the kernel when to read what.

Every number below was measured a moment ago on this machine, once. Run the lesson again to see how far they can be trusted:
other programs, the disk's own cache and the temperature of the processor all have a say.]]
mmap.open("data.bin", "w+", { size = SIZE }):fill("0123456789abcde\n")
mmap.evict "data.bin"

local places = {}
for i = 1, PLACES do places[i] = (i * 7919) % (SIZE // PAGE) * PAGE end
local word <const> = mmap.regex "zebra"
mmap.threads(1) -- both on one core

step "The work"
say([[Look for a word that is not there: in the whole file from the front to the back, and in %d pages here and there. With read(2) each
piece becomes a string first; with a mapping the search goes over the page cache itself. The search is the same one, on one core.]], PLACES)
local read_all, map_all, read_places, map_places
run(function()
  function read_all()
    local f <close> = io.open "data.bin"
    f:setvbuf "no"
    for piece in function() return f:read(65536) end do
      word:count(piece)
    end
  end

  function map_all(advice)
    local b <close> = mmap.open "data.bin"
    if advice then b:advise(advice) end
    word:count(b)
  end

  function read_places()
    local f <close> = io.open "data.bin"
    f:setvbuf "no"
    for _, place in ipairs(places) do
      f:seek("set", place)
      word:count(f:read(PAGE))
    end
  end

  function map_places(advice)
    local b <close> = mmap.open "data.bin"
    if advice then b:advise(advice) end
    for _, place in ipairs(places) do
      word:count(b:slice(place, PAGE))
    end
  end
end)

local ways <const> = {
  { "read(2) in order, 64 KiB each", read_all },
  { "mmap in order", map_all },
  { "mmap in order, sequential", map_all, "sequential" },
  { "read(2) at random, a page each", read_places },
  { "mmap at random", map_places },
  { "mmap at random, random", map_places, "random" },
}
local function measure(way, prepare, is_sound)
  local cost
  for _ = 1, 5 do
    prepare()
    cost = mmap.faults(way[2], way[3])
    if is_sound(cost) then break end
  end
  print(("%-32s %10s %10s %8d %6d"):format(way[1], lesson.time(cost.seconds), lesson.size(cost.read), cost.minor, cost.major))
  return cost
end
local function heading() print(("%-32s %10s %10s %8s %6s"):format("", "time", "from disk", "minor", "major")) end

step "Warm: everything is in memory"
ask("%s in order, and %d places at random. Which is faster when nothing has to come from the disk?", lesson.size(SIZE), PLACES)
local warm = {}
run(function()
  heading()
  for i, way in ipairs(ways) do
    warm[i] = measure(way, read_all, function(cost)
      return cost.read == 0
    end)
  end
end)
local from_disk = 0
for i in ipairs(ways) do from_disk = from_disk + warm[i].read end
claim(from_disk == 0, "nothing came from the disk: %d bytes, all six together", from_disk)
claim(warm[2].minor > 0, "the mapping in order cost %s, which it pays instead of a copy", lesson.plural(warm[2].minor, "page fault"))
say("Here read(2) took %s for the whole file, and the mapping %s.", lesson.time(warm[1].seconds), lesson.time(warm[2].seconds))

step "Cold: nothing is in memory"
if not lesson.has_disk then
  lesson.skip("a file on %s cannot be cold. Run this in a folder on a disk: TMPDIR=$HOME mmaplua --lesson mmap-or-read", lesson.filesystem)
else
  ask "The same, and everything comes from the disk. Which differences will be left?"
  local cold = {}
  local function evict() mmap.evict "data.bin" end
  run(function()
    heading()
    for i, way in ipairs(ways) do
      local wanted = i <= 3 and SIZE or PLACES * PAGE
      cold[i] = measure(way, evict, function(cost)
        return cost.read >= wanted
      end)
    end
  end)
  if cold[1].read == 0 then
    lesson.skip("what is read on %s is not counted, so there is nothing to check", lesson.filesystem)
  else
    for i = 1, 3 do
      claim(cold[i].read >= SIZE, "%s: %s came from the disk", ways[i][1], lesson.size(cold[i].read))
    end
    claim(cold[6].read >= PLACES * PAGE and cold[6].read < 4 * PLACES * PAGE, "at random with the advice: %s, and %s are wanted",
      lesson.size(cold[6].read), lesson.size(PLACES * PAGE))
    claim(cold[5].read >= cold[6].read, "at random without advice: %s, as the kernel reads around each place: %.0f times as much",
      lesson.size(cold[5].read), cold[5].read / cold[6].read)
  end
  say("In order read(2) took %s and the mapping %s; at random read(2) %s, the mapping %s and with advice %s.", lesson.time(cold[1].seconds),
    lesson.time(cold[2].seconds), lesson.time(cold[4].seconds), lesson.time(cold[5].seconds), lesson.time(cold[6].seconds))
end

step "What the numbers do not show"
say [[Crotty, Leis and Pavlo, "Are You Sure You Want to Use MMAP in Your Database Management System?" (CIDR 2022), name four reasons
why a database should not:

Transactions: the kernel may write a dirty page at any time, finished or not, and cannot be told not to. (Lesson sync.)

Waiting: any access may wait for the disk, and the program cannot know which one, nor do something else meanwhile. (Lesson mincore.)

Errors: a disk that fails is a signal at any access, and not the result of a call. (Lesson end-of-file.)

Speed: with files larger than memory, many threads and fast disks, three things in the kernel become the limit: one lock per page
table, one thread that evicts, and interrupts to all processors whenever a page leaves a page table (TLB shootdowns). They measured
that reading at random through a mapping begins as fast as read(2) past the page cache, and falls far behind when memory is full.

None of this speaks against mapping what is read, fits in memory, and is looked at in places that are not known beforehand. It
speaks against expecting that no copy means no cost.]]

lesson.next [[
Try a file larger than memory: `mmaplua --faults` says what was read from the disk. Then do the same work in two processes at once.

  examples/wordcount.lua and brc.lua    one pass over a file, on all cores]]

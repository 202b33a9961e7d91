-- copy-on-write.lua - a private mapping: what diverges, what it costs, who sees it

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE
local file, b

-- The pages of a set, as text.
local function list(pages)
  local parts = {}
  for first, n in pages:ranges() do
    parts[#parts + 1] = n == 1 and tostring(first) or first .. "-" .. first + n - 1
  end
  return table.concat(parts, ", ")
end

step "Mapped privately"
say [[Mode "c" maps a file with `MAP_PRIVATE`. As long as it is only read, the mapping shows the pages of the page cache,
like any other one. Here is a file of 64 pages full of the letter a, and next to the private mapping a shared one, to
see the file itself.]]
run(function()
  file = mmap.open("file.bin", "w+", { size = 64 * PAGE })
  file:fill "a"
  file:sync(true)
  b = mmap.open("file.bin", "c")
  b:touch()
  print("diverged", b:pagemap().diverged)
end)
claim(b:pagemap().diverged:count() == 0, "all 64 pages were read and none is a copy")

step "The first write makes a copy"
ask "We write one byte to each of the pages 5, 6 and 40. How much memory does that cost, and who sees it?"
local cost, map, entry
run(function()
  cost = mmap.faults(function()
    b[5 * PAGE], b[6 * PAGE], b[40 * PAGE] = 66, 66, 66 -- B
  end)
  map, entry = b:pagemap(), b:smaps()
  print(b:show())
  print("private copies", entry.anonymous, "bytes; page faults", cost.minor)
end)
claim(map.diverged:count() == 3 and map.diverged[5] and map.diverged[6] and map.diverged[40],
  "exactly the pages %s have diverged from the file", list(map.diverged))
-- A copy that went to swap meanwhile is still a copy.
claim(entry.anonymous + entry.swap == 3 * PAGE, "three bytes were written, and %d bytes of memory were taken: a whole page each",
  entry.anonymous + entry.swap)
claim(cost.minor >= 3, "each first write was a page fault, in which the kernel copied the page: %d faults", cost.minor)

step "Who sees it"
local read
run(function()
  local f <close> = io.open "file.bin"
  f:seek("set", 5 * PAGE)
  read = f:read(1)
  local ours, theirs = b:string(5 * PAGE, 1), file:string(5 * PAGE, 1)
  print("private", ours, "shared", theirs, "read(2)", read)
end)
claim(b[5 * PAGE] == 66 and file[5 * PAGE] == 97 and read == "a", "the private mapping has B, the file still has a")

step "What a private mapping sees of others"
say "Now the file changes, through the shared mapping: once in page 5, which has diverged, and once in page 20, which has not."
ask "Which of the two changes will the private mapping show?"
run(function()
  file[5 * PAGE], file[20 * PAGE] = string.byte "Z", string.byte "Z"
  print("page 5:", b:string(5 * PAGE, 1), "page 20:", b:string(20 * PAGE, 1))
end)
claim(b[5 * PAGE] == 66, "page 5 is our copy and stays as it is")
claim(b[20 * PAGE] == 90, "page 20 is still the file's: POSIX does not say so, but on Linux it follows the file")
say [[A private mapping is therefore no snapshot of a file. It is one only of the pages that were written to.]]

step "Back to the file"
say [[`dontneed` takes the pages out of the page table. A copy that is in no page table belongs to nobody, and is gone;
the next touch shows the file again.]]
run(function()
  b:advise "dontneed"
  print("page 5:", b:string(5 * PAGE, 1), b:pagemap().diverged)
end)
claim(b[5 * PAGE] == 90, "page 5 shows the file as it is now")
claim(b:pagemap().diverged:count() == 0, "no page is a copy any more")

lesson.next [[
A debugger sets breakpoints in private copies of a program's pages, and every program's data section is mapped like
this. Look at one:

  local b = mmap.open("/bin/sh", "c")   print(b:explain())

What does a private copy cost when ten processes map the same file and each writes to every page?]]

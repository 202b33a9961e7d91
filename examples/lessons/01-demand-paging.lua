-- demand-paging.lua - mapping costs nothing, touching costs page faults

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE
local b, cost, entry

step "A mapping is a promise"
say [[mmap(2) does not read a file and does not fetch memory. It writes one line into the kernel's list of what this
process may touch, and that is all. Here are 256 MiB. `mmap.faults` runs a function and counts the page faults
meanwhile; `smaps` is what the kernel says of the mapping.]]
run(function()
  cost = mmap.faults(function() b = mmap.anonymous(256 << 20) end)
  entry = b:smaps()
  print("mapped", lesson.size(#b), "page faults", cost.minor)
  print("in memory", lesson.size(entry.rss))
end)
claim(#b == 256 << 20 and entry.rss == 0, "256 MiB are mapped and %d bytes of them are in memory", entry.rss)
claim(cost.minor < 1000, "%s, where there are %d pages", lesson.plural(cost.minor, "page fault"), #b // PAGE)

step "The first write to a page is a fault"
say [[The processor finds no memory behind the address and calls the kernel: a page fault. The kernel takes a page,
fills it with zeros, enters it into the page table, and the instruction is run again. The program notices nothing but
the time.

Linux can give memory in huge pages of 2 MiB. `nohugepage` says that it should not here, so that we count small ones.]]
ask "We write to 1000 of the pages. How many page faults will there be, and how much memory?"
run(function()
  pcall(b.advise, b, "nohugepage") -- a kernel without huge pages says EINVAL
  cost = mmap.faults(b.fill, b, 1, 0, 1000 * PAGE)
  entry = b:smaps()
  print("page faults", cost.minor, "in memory", lesson.size(entry.rss))
  print(b:slice(0, 4096 * PAGE):show())
end)
-- Pages that went to swap meanwhile were in memory all the same. The interpreter needs a few pages too.
claim(entry.rss + entry.swap == 1000 * PAGE, "1000 pages written, %d pages in memory", (entry.rss + entry.swap) // PAGE)
claim(cost.minor >= 1000 and cost.minor < 2000, "%d page faults: one for each page, and a few of the interpreter's own",
  cost.minor)

step "The second is none"
say "The pages are in the page table now. Writing to them again is a matter between the processor and the memory."
run(function()
  cost = mmap.faults(b.fill, b, 2, 0, 1000 * PAGE)
  print("page faults", cost.minor)
end)
claim(cost.minor < 500, "%s for the same 1000 pages", lesson.plural(cost.minor, "page fault"))

step "Reading what nobody has written"
say [[A page that was never written to must read as zeros. For that the kernel needs no memory: it has one page of zeros,
and lets all such addresses show it.]]
ask "We read one byte of each of the next 1000 pages. Faults? Memory?"
local before
run(function()
  before = b:smaps().rss
  cost = mmap.faults(b.touch, b, 2000 * PAGE, 1000 * PAGE)
  entry = b:smaps()
  print("page faults", cost.minor, "more in memory", entry.rss - before)
end)
claim(cost.minor >= 1000 and cost.minor < 2000, "%d page faults, since the page table had no entries", cost.minor)
claim(entry.rss <= before, "and not one page of memory: all of them show the same page of zeros")

step "A file that is in memory is cheaper"
say [[The pages of a file that was just written are in memory already, in the page cache. A fault only has to enter
them into the page table, and as the kernel is there anyhow it enters the neighbors too.]]
run(function()
  mmap.open("file.bin", "w+", { size = 1000 * PAGE }):fill(7)
  local f <close> = mmap.open "file.bin"
  cost = mmap.faults(f.touch, f)
  print("page faults", cost.minor, "with a wait for the disk", cost.major)
end)
claim(cost.minor + cost.major > 0 and cost.minor < 2000, "%s for 1000 pages of a file", lesson.plural(cost.minor, "page fault"))

lesson.next [[
  mmaplua --faults script.lua     counts the faults of any script
  b:populate()                    enters all pages at once
  b:advise "hugepage"             one fault for 2 MiB: lesson huge-pages]]

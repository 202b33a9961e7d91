-- page-cache.lua - two mappings, or two programs, share the same pages of a file

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE
local PAGES <const> = 512
local a, b

step "Two mappings of one file"
say [[Mapping a file does not copy it. The kernel keeps each page of a file at most once in memory, in the page cache,
and every mapping of the file shows that page. Here is a file that is mapped twice, at two addresses.]]
run(function()
  a = mmap.open("shared.bin", "w+", { size = PAGES * PAGE })
  b = mmap.open "shared.bin"
  print(a)
  print(b)
  a:copy(0, "written through a")
  print(b:string(0, 17))
end)
claim(a:info().address ~= b:info().address, "the addresses differ")
claim(b:string(0, 17) == "written through a", "what was written through one is read through the other, without a copy")

step "Pages that are there already"
say [[Through `a` we write to every page. Nobody has touched the pages of `b`. Two counts tell how things are: `pages` asks
mincore(2), which pages of the file are in memory; `smaps` says which of them are in this mapping's part of the page
table (`rss`).]]
ask "How many pages of `b` will be in memory, and how many in its page table?"
local here, entry
run(function()
  a:fill(1)
  b:close()
  b = mmap.open "shared.bin"
  here, entry = b:pages():count(), b:smaps()
  print("in memory", here, "in the page table", entry.rss // PAGE)
  return here == PAGES
end, { tries = 5 })
claim(here == PAGES, "%d of %d pages are in memory: somebody else has brought them in", here, PAGES)
claim(entry.rss == 0, "and %d are in the page table of this mapping", entry.rss // PAGE)

step "The price of sharing"
say "Now `b` is read. The pages need not come from the disk; they are only entered into the page table."
local cost
run(function()
  cost = mmap.faults(b.touch, b)
  entry = b:smaps()
  print("minor faults", cost.minor, "major faults", cost.major)
  print("rss", lesson.size(entry.rss), "pss", lesson.size(entry.pss))
  return cost.major == 0 and entry.rss == #b
end, { tries = 5 })
claim(cost.major == 0, "no fault had to wait for the disk (major), %d found the page in memory (minor)", cost.minor)
claim(entry.rss == PAGES * PAGE, "rss says %s for `b`, and it says the same for `a`", lesson.size(entry.rss))
claim(entry.pss < entry.rss, "pss, where each page counts by its share, says %s: the sum of rss over all mappings is more than the memory there is",
  lesson.size(entry.pss))

step "Another program"
say [[The page cache belongs to the kernel and not to a process. A program that knows nothing of mappings writes to the file
with write(2), and our mapping shows it at once, because write(2) writes to the same page.]]
run(function()
  local pipe <close> = io.popen("dd of=shared.bin conv=notrunc 2>&-", "w")
  pipe:write "another program"
  pipe:close()
  print(b:string(0, 15))
end)
claim(b:string(0, 15) == "another program", "what another process wrote with write(2) is in the mapping")
say "And the other way round: what we write to memory is what others read."
local read
run(function()
  a:copy(0, "from the mapping")
  local pipe = io.popen "head -c 16 shared.bin"
  read = pipe:read "a"
  pipe:close()
  print(read)
end)
claim(read == "from the mapping", "what was written to the mapping is what another process reads with read(2), and no sync was needed")

lesson.next [[
  mmaplua -i
  > b = mmap.open "some file"   =b:show()

Run `cat "some file" >/dev/null` in a second terminal and look again. A file that you did not touch is in memory
because somebody else did: that is what lesson mincore is about.]]

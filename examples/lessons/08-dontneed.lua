-- dontneed.lua - one advice that is harmless, a reset or a loss

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE
local PAGES <const> = 16

do
  local f <close> = assert(io.open("file.bin", "wb"))
  f:write(("f"):rep(PAGES * PAGE))
end

step "Four kinds of memory"
say [[madvise(2) with `MADV_DONTNEED` says: I do not need these pages now. It sounds like a hint and is none. The pages leave the
page table at once, and what that means depends on where the bytes live. Four mappings; to each page of each we write a w.]]
local names <const> = { "shared file", "private file", "shared anonymous", "private anonymous" }
local buffers = {}
run(function()
  buffers["shared file"] = mmap.open("file.bin", "r+")
  buffers["private file"] = mmap.open("file.bin", "c")
  local size <const> = PAGES * PAGE
  buffers["shared anonymous"] = mmap.anonymous(size, { shared = true })
  buffers["private anonymous"] = mmap.anonymous(size)
  for _, b in pairs(buffers) do b:fill "w" end
end)
ask "After DONTNEED, what will be read from each of the four?"
local rss, byte = {}, {}
run(function()
  print(("%-18s %18s  %s"):format("", "page table after", "byte 0 after"))
  for _, name in ipairs(names) do
    local b = buffers[name]
    b:advise "dontneed"
    rss[name] = b:smaps().rss // PAGE
    byte[name] = string.char(b[0])
    print(("%-18s %18d  %q"):format(name, rss[name], byte[name]))
  end
end)
local left = 0
for _, name in ipairs(names) do left = left + rss[name] end
claim(left == 0, "of the %d pages %d are left in the page table", 4 * PAGES, left)
claim(byte["shared file"] == "w", "shared file: nothing is lost, the page is in the page cache and dirty")
claim(byte["private file"] == "w", "private file: our copy was lost; what is read is the file, and to that a w was written by the shared mapping")
claim(byte["shared anonymous"] == "w", "shared anonymous: nothing is lost, the memory is a file without a name")
claim(byte["private anonymous"] == "\0", "private anonymous: the pages are gone, and new ones are zeros")

step "A reset"
say "For a private mapping of a file it takes back all changes, at the price of one system call."
local p <const> = buffers["private file"]
local before, after
run(function()
  p:fill "z"
  before = p:pagemap().diverged:count()
  p:advise "dontneed"
  after = p:pagemap().diverged:count()
  print("copies before", before, "after", after, "byte", string.char(p[0]))
end)
claim(before == PAGES and after == 0 and p[0] == 119, "%d private copies are dropped and the file is back", before)

step "Only whole pages"
say [[The kernel rounds the length of a range up to whole pages. Where the advice destroys data that would wipe bytes that nobody
meant, so mmaplua refuses a range that is not whole pages there.]]
local a <const> = buffers["private anonymous"]
local refusal
run(function()
  a:fill "w"
  refusal = select(2, pcall(a.advise, a, PAGE, 100, "dontneed"))
  print(refusal)
  a:advise(PAGE, PAGE, "dontneed")
end)
claim(refusal ~= nil and a[0] == 119 and a[2 * PAGE] == 119, "the neighbors have kept what they had")
claim(a:count("\0", PAGE, PAGE) == PAGE, "the page that was named has %d zeros", a:count("\0", PAGE, PAGE))

step "Not evicted"
say [[For a shared file the name promises more than it does: the pages have left our page table, and not the memory. `evict`
asks for that, by posix_fadvise(2).]]
local s <const> = buffers["shared file"]
local here, gone, stayed
run(function()
  s:touch()
  s:advise "dontneed"
  here = s:pages():count()
  gone, stayed = s:evict()
  print("in memory after dontneed", here, "evicted", gone, "stayed", stayed)
  return here == PAGES and (not lesson.has_disk or stayed == 0)
end, { tries = 10 })
claim(here == PAGES, "after DONTNEED %d of %d pages are still in memory", here, PAGES)
if lesson.has_disk then claim(stayed == 0, "after evict %d are", stayed)
else claim(gone == 0, "and evict cannot change that on %s: there is no disk from which they could come back", lesson.filesystem) end

lesson.next [[
  print(mmap.advices())

tries every advice of this kernel on all four kinds and says which one destroys. `free` is a gentler relative of
`dontneed`: what is it good for? (An allocator of memory knows.)]]

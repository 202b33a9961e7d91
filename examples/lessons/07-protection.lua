-- protection.lua - who may read and write a page, and who checks it

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE

local function permissions(b) return b:smaps()[1].permissions end

step "Two doors"
say [[Whether a page may be written is decided twice. When a file is mapped the kernel compares what is asked for with how
the file was opened, once. After that the processor checks each access against the page table, without asking anybody.

The first door: a file that is open for reading only.]]
do
  local f <close> = assert(io.open("file.bin", "wb"))
  f:write(("x"):rep(4 * PAGE))
end
local refused, private
run(function()
  local f <close> = io.open "file.bin"
  local READ_WRITE <const> = mmap.PROT_READ | mmap.PROT_WRITE
  refused = select(2, pcall(mmap.map, PAGE, READ_WRITE, mmap.MAP_SHARED, f))
  print(refused)
  private = mmap.map(PAGE, READ_WRITE, mmap.MAP_PRIVATE, f)
  print(private)
end)
claim(type(refused) == "table" and refused.code == "EACCES", "a shared mapping that could write to it is refused: %s", refused.code)
claim(permissions(private) == "rw-p", "a private one is not, as its writes never reach the file: %s", permissions(private))

step "What the kernel has written down"
say "The letters are those of /proc/self/maps: r, w and x for what is allowed, s or p for shared or private."
local b
run(function()
  b = mmap.open("file.bin", "r+")
  print("r+", permissions(b))
  b:protect(mmap.PROT_READ)
  print("PROT_READ", permissions(b))
  b:protect(mmap.PROT_NONE)
  print("PROT_NONE", permissions(b))
end)
claim(permissions(b) == "---s", "mprotect(2) has changed them: %s", permissions(b))

step "The second door"
say [[In C a write to such a page is the signal SIGSEGV, and the end of the program. mmaplua knows how a buffer is
protected, and says no before the processor does.]]
local read, written
run(function()
  read = table.pack(pcall(function() return b[0] end))
  print(table.unpack(read))
  b:protect(mmap.PROT_READ)
  written = table.pack(pcall(function() b[0] = 1 end))
  print(table.unpack(written))
end)
claim(not read[1], "reading what has no protection is an error of the script")
claim(not written[1] and b[0] == 120, "so is writing to what may only be read, and the byte is as it was: %d", b[0])

step "Protection is not memory"
ask "Does a page leave the memory when nobody may touch it any more?"
local entry
run(function()
  local a = mmap.anonymous(16 * PAGE)
  a:fill(1)
  a:protect(mmap.PROT_NONE)
  entry = a:smaps()
  print(entry[1].permissions, "in memory", entry.rss // PAGE)
  a:protect(mmap.PROT_READ)
  print("read again:", a[0], a[#a - 1])
  b = a
end)
claim((entry.rss + entry.swap) // PAGE == 16, "all %d pages are where they were", (entry.rss + entry.swap) // PAGE)
claim(b[0] == 1 and b[#b - 1] == 1, "and with their contents, when reading is allowed again")

step "No more than was opened"
local reader, more
run(function()
  reader = mmap.open "file.bin"
  more = select(2, pcall(reader.protect, reader, mmap.PROT_WRITE))
  print(more)
end)
claim(type(more) == "table" and more.code == "EACCES" and permissions(reader) == "r--s",
  "mprotect(2) gives no more than the open file allowed: %s", more.code)

lesson.next [[
  b:protect(mmap.PROT_READ | mmap.PROT_EXEC)

is how a just-in-time compiler makes its code run. Why do many systems not allow pages that are writable and executable at
the same time? And why do programs put a page with `PROT_NONE` below their stack?]]

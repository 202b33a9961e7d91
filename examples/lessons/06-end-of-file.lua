-- end-of-file.lua - zeros after the last byte, a fault after the last page

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE
local SIZE <const> = PAGE + 100

local function write(size)
  local f <close> = assert(io.open("short.bin", "wb"))
  f:write(("x"):rep(size))
end
local function size_of_file()
  local f <close> = io.open "short.bin"
  return f:seek "end"
end

step "A mapping is pages, a file is bytes"
say([[The file has %d bytes: one page and 100 bytes of the next. mmap(2) lets us map three pages of it.]], SIZE)
write(SIZE)
local b
run(function()
  local f <close> = io.open("short.bin", "r+")
  local READ_WRITE <const> = mmap.PROT_READ | mmap.PROT_WRITE
  b = mmap.map(3 * PAGE, READ_WRITE, mmap.MAP_SHARED, f)
  print(#b, "bytes mapped,", size_of_file(), "in the file")
end)
claim(#b == 3 * PAGE and size_of_file() == SIZE, "%d bytes are mapped of a file with %d", #b, size_of_file())

step "The rest of the last page"
say "Memory comes in whole pages, so the last page of the file has room after the last byte."
ask "What do we read there? And what becomes of what we write there?"
local zeros
run(function()
  print("past the end:", b[SIZE], b[2 * PAGE - 1])
  zeros = b:count("\0", SIZE, 2 * PAGE - SIZE)
  b[SIZE] = 65
  print("written and read again:", b[SIZE], "file size:", size_of_file())
  b:sync(true)
  print("after sync:", b[SIZE], "file size:", size_of_file())
end)
claim(zeros == 2 * PAGE - SIZE, "%d bytes of zeros fill the page", zeros)
claim(size_of_file() == SIZE, "what was written there did not become part of the file: a mapping never makes a file longer")
say [[Others who map the file may see it as long as the page is in memory. File systems on a disk fill the rest with zeros
again when they write the page; on tmpfs it stays.]]

step "After the last page"
say [[The third page has nothing of the file in it. The kernel has no page to show, and sends the signal SIGBUS. It ends
most programs; here it is an error of the script.]]
local failure
run(function()
  failure = select(2, pcall(function() return b[2 * PAGE] end))
  print(failure)
end)
claim(type(failure) == "table" and failure.code == "SIGBUS", "touching the third page is the error %s", failure.code)
say "`mmap.open` never maps past the end of a file, so this takes the bare `mmap.map`. But there is another way to get there."

step "The file is truncated"
say "We map a file of three pages as it is, and then somebody truncates it to one: an editor that saves, a log that is rotated."
write(3 * PAGE)
local c
run(function()
  c = mmap.open("short.bin", "r+")
  print("before:", c[0], c[2 * PAGE])
  os.execute("truncate -s " .. PAGE .. " short.bin")
  print("file size:", size_of_file(), "mapping:", c:info().length)
  failure = select(2, pcall(function() return c[2 * PAGE] end))
  print(failure)
end)
claim(size_of_file() == PAGE and c:info().length == 3 * PAGE, "the mapping is as long as before, the file is not")
claim(type(failure) == "table" and failure.code == "SIGBUS", "and the page that is gone is an error: %s", failure.code)
say [[No check beforehand can prevent it: the file may shrink between the check and the access. A program in C needs a handler for
the signal, or must trust everybody who can write to the file. This is why reading a file with mmap(2) can kill a program
where read(2) would only return less.]]

step "Mapped again"
run(function()
  print(pcall(function() return c[0] end))
  print(c:remap())
  print(c[0], #c, "bytes")
end)
claim(#c == PAGE and c[0] == 120, "remap() maps the file as it is now: %d bytes", #c)

lesson.next [[
  b = mmap.open("f", "r+")   b:resize(#b * 2)

makes the file longer and then the mapping. In which order must a program make both shorter?

A full disk is the same fault: a hole in a file has no blocks, and a write to it finds none left. Lesson holes.]]

-- holes.lua - sparse files: bytes that are in the file and not on the disk

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE
local SIZE <const> = 1 << 30
local b, map

-- What du(1) says: the blocks that the file has.
local function blocks(path)
  local pipe <close> = assert(io.popen("du -k " .. path))
  return pipe:read "n" * 1024
end

step "A gibibyte of nothing"
say "A file's length is a number; it says nothing about blocks on the disk. `mmap.sparse` makes a file with ftruncate(2)."
run(function()
  b = mmap.sparse("sparse.bin", SIZE)
  map = b:holes()
  print("length", lesson.size(#b), "blocks", blocks "sparse.bin")
  print("data", lesson.size(map.data), "hole", lesson.size(map.hole))
end)
claim(#b == SIZE and map.hole == SIZE and map.data == 0, "the file is %s long and all of it is a hole", lesson.size(#b))
claim(blocks "sparse.bin" < 1 << 20, "it has %s of blocks", lesson.size(blocks "sparse.bin"))

step "Reading a hole"
ask "We read 100 bytes in the middle. What do we get, and does the file get blocks?"
local zeros
run(function()
  zeros = b:count("\0", SIZE // 2, 100)
  print("zeros", zeros, "data", b:holes().data, b:pages())
end)
claim(zeros == 100, "a hole reads as zeros: %d of 100", zeros)
if lesson.has_disk then
  claim(b:holes().data == 0, "and is still a hole, though its zeros are in memory now")
else
  say("On %s the page that was read through a shared mapping is part of the file from then on: %d bytes of data.",
    lesson.filesystem, b:holes().data)
end

step "Writing to it"
say "Three bytes are written, far from each other. After sync the file system has found a place for them."
local places <const> = { 100 << 20, 500 << 20, 900 << 20 }
local function extents()
  local list = {}
  for _, extent in ipairs(b:holes()) do
    if extent.data then list[#list + 1] = extent end
  end
  return list
end
local function covers(place)
  for _, extent in ipairs(extents()) do
    if place >= extent.offset and place < extent.offset + extent.length then return true end
  end
  return false
end
run(function()
  for _, place in ipairs(places) do b[place] = 1 end
  b:sync(true)
  for _, e in ipairs(extents()) do
    print("data at", e.offset >> 20, "MiB:", e.length, "bytes")
  end
end)
claim(covers(places[1]) and covers(places[2]) and covers(places[3]), "each of the three is in a part with data")
claim(not covers(200 << 20) and not covers(0), "and what is between them is a hole")
claim(b:holes().data >= 3 * 512 and b:holes().data < 64 << 20, "%s of data for 3 bytes: a file system gives whole blocks",
  lesson.size(b:holes().data))

step "Making a hole"
say "`remove` gives the page and its block back: `MADV_REMOVE`, or FALLOC_FL_PUNCH_HOLE in fallocate(2)."
local block <const> = 1 << 20
local ok, problem
run(function()
  ok, problem = pcall(b.advise, b, places[2], block, "remove")
  print(ok and "removed" or problem, "byte", b[places[2] + 1])
end)
if not ok then
  lesson.skip("%s cannot punch holes: %s", lesson.filesystem, problem)
else
  b:sync(true)
  claim(b:count("\0", places[2], block) == block, "the byte that was written there is a zero again")
  claim(covers(places[1]) and covers(places[3]), "the others are still there")
end

lesson.next [[
  cp --sparse=never sparse.bin full.bin     and du -h of both
  cp --sparse=always full.bin again.bin

A write to a hole needs a block, and the disk may be full by then: for a mapping that is SIGBUS, in the middle of an
assignment. `mmap.open` with `grow` allocates blocks beforehand, so that a full disk is an error at once.]]

-- lesson-template.lua - a lesson to copy and change: how large a page is
--
-- mmaplua --lesson ./lesson-template.lua
-- test: --check

local mmap = require "mmap"
-- From here on the current folder is an empty one, which is gone when the lesson is.
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim

step "One idea"
say [[A few sentences of what is going to be seen, in words that a student knows. Blank lines separate paragraphs, `code`
stands between backquotes, and a line that begins with two blanks is left as it is.]]
ask "A question that the student can answer with a guess: how many bytes of memory does one byte in a file cost?"

-- What `run` is given is shown, from this file, and then run. Whatever the rest of the lesson needs is a variable outside.
local b, entry
run(function()
  b = mmap.open("one byte", "w+", { size = 1 })
  b[0] = 42
  entry = b:smaps()
  print(entry.rss)
end)

-- What must hold wherever this runs, with the numbers that the kernel gave. Not how long something takes.
claim(entry.rss == mmap.PAGESIZE, "1 byte takes %d bytes of memory: a page", entry.rss)

step "Where it does not work"
if not lesson.has_disk then
  lesson.skip("files on %s are never out of memory", lesson.filesystem)
else
  say "What other programs can disturb is tried again, until the first result is true."
  local gone, stayed
  run(function()
    gone, stayed = b:evict()
    print(gone, stayed)
    return stayed == 0
  end, { tries = 10 })
  claim(stayed == 0, "after evict %s in memory", lesson.plural(stayed, "page"))
end

lesson.next "One thing that the student can try now, alone."

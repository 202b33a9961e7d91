-- huge-pages.lua - one fault for 2 MiB, and how to see whether it came true

local mmap = require "mmap"
local lesson <close> = require "mmap.lesson"
local say, step, run, ask, claim = lesson.say, lesson.step, lesson.run, lesson.ask, lesson.claim
local PAGE <const> = mmap.PAGESIZE
local SIZE <const> = 32 << 20

-- What a file of one line says, or nil.
local function setting(name)
  local file = io.open("/sys/kernel/mm/transparent_hugepage/" .. name)
  local text = file and file:read "l"
  if file then file:close() end
  return text
end
local HUGE <const> = tonumber(setting "hpage_pmd_size" or "")

step "Small pages"
say([[A processor remembers for some thousand pages where they are. With pages of %d bytes that covers a few MiB. Whoever works on
more pays for looking up addresses, and for a page fault per page.]], PAGE)
local small, entry
run(function()
  local b <close> = mmap.anonymous(SIZE)
  pcall(b.advise, b, "nohugepage") -- a kernel without huge pages says EINVAL
  small = mmap.faults(b.fill, b, 1)
  entry = b:smaps()
  print("page faults", small.minor, "in huge pages", entry.anonhugepages)
end)
claim(small.minor >= SIZE // PAGE, "%d page faults for %d pages", small.minor, SIZE // PAGE)
claim(entry.anonhugepages == 0, "and no huge page among them, as `nohugepage` asked for")

step "Huge pages"
local enabled <const> = setting "enabled"
if not enabled or not HUGE then
  lesson.skip "this kernel has no transparent huge pages"
elseif enabled:find "%[never%]" then
  lesson.skip("transparent huge pages are switched off (/sys/kernel/mm/transparent_hugepage/enabled: %s)", enabled)
else
  say([[The processor can also map %s at once. Where 'transparent huge pages' are enabled (here: %s) the kernel takes such a
page at the first touch, if memory has a piece that is whole. `hugepage` asks for it.]], lesson.size(HUGE), enabled)
  ask("How many page faults will %s take now?", lesson.size(SIZE))
  local large, huge
  run(function()
    local b <close> = mmap.anonymous(SIZE)
    b:advise "hugepage"
    large = mmap.faults(b.fill, b, 1)
    entry = b:smaps()
    huge = entry.anonhugepages // HUGE
    print("page faults", large.minor, "huge pages", huge)
    print(lesson.time(large.seconds), "and", lesson.time(small.seconds))
    return huge > 0
  end, { tries = 5 })
  if huge == 0 then
    lesson.skip "the kernel has found no whole piece of memory: it is too much in use, or too fragmented"
  else
    -- The places at the edges, and those for which no whole piece was found, have small ones.
    local rest <const> = SIZE // PAGE - huge * (HUGE // PAGE)
    claim(entry.anonhugepages % HUGE == 0, "smaps says that %s are in %s", lesson.size(entry.anonhugepages), lesson.plural(huge, "huge page"))
    claim(large.minor <= huge + rest + 500, "%d page faults instead of %d: one for each of the %s, and for each of the %s that are left",
      large.minor, small.minor, lesson.plural(huge, "huge page"), lesson.plural(rest, "small page"))
    say [[The advice is a wish. Only smaps (`AnonHugePages`) tells whether it was granted; asking for 2 MiB and not looking is
how programs come to be measured on the wrong pages.]]
  end

  step "The price"
  say "A huge page is taken as a whole, however little of it is used."
  ask "We write one byte into each of eight huge pages. How much memory is that?"
  local rss
  run(function()
    local b <close> = mmap.anonymous(SIZE)
    b:advise "hugepage"
    local first = -b:info().address % HUGE -- where the first whole one begins
    for i = 0, 7 do b[first + i * HUGE] = 1 end
    entry = b:smaps()
    rss, huge = entry.rss + entry.swap, entry.anonhugepages // HUGE
    print("written", 8, "in memory", lesson.size(rss), "huge pages", huge)
    return huge == 8
  end, { tries = 5 })
  if huge == 0 then lesson.skip "no huge page was to be had this time"
  else claim(rss >= huge * HUGE, "8 bytes take %s of memory: %s and %s", lesson.size(rss), lesson.plural(huge, "huge page"),
    lesson.plural((rss - huge * HUGE) // PAGE, "small one")) end
end

lesson.next [[
  b:advise "collapse"     makes huge pages of what is there, now (Linux 6.1)
  b:smaps().flags         hg is `hugepage`, nh is `nohugepage`

Files have huge pages too, on tmpfs with the mount option huge=, and on some file systems. Databases often ask that they be
switched off. Why? Compare a hash table that is read everywhere with one that is written here and there.]]

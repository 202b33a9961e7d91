-- The module mmap.lesson: how a lesson speaks, shows its code as it runs, asks and checks its claims. A lesson
-- begins with `local lesson <close> = require "mmap.lesson"`; when that variable goes, its files go too, and
-- the program fails if a claim did not hold.

local terminal, ask, new_folder, program = ...
local WIDEST <const> = 92 -- columns of text: longer lines are hard to read

local lesson = {}
local claims, failures, skipped, has_left = 0, 0, 0, false
local has_reader, is_seen = terminal()

-- [ the look ]

local function variable(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end
local term = variable "TERM"
local colored = is_seen and not variable "NO_COLOR" and term and term ~= "dumb"
local locale = variable "LC_ALL" or variable "LC_CTYPE" or variable "LANG" or ""
local unicode = is_seen and not variable "NO_COLOR" and locale:lower():find "utf%-?8"

local HOLDS <const>, FAILS <const>, SKIPS <const> = unicode and "✔" or "ok", unicode and "✘" or "NO", unicode and "–" or "--"
local ASKS <const>, RULE <const> = "?", unicode and "─" or "-"

local function paint(code, text) return colored and "\27[" .. code .. "m" .. text .. "\27[0m" or text end

local function width()
  local _, _, columns = terminal()
  return math.max(20, math.min(columns, WIDEST))
end

-- Words between backquotes are code; a terminal shows that without the backquotes. A word that has begun to be
-- code ends as such, and its length is that of what is seen.
local function code(word)
  if not colored then return word end
  return (word:gsub("`([^`]*)`", function(inner) return paint("1", inner) end))
end
local function length(word)
  local shown = colored and word:gsub("`([^`]*)`", "%1") or word
  return utf8.len(shown) or #shown
end

-- Code with blanks in it stays in one piece.
local function words(text)
  local list = {}
  text = text:gsub("`[^`]*`", function(piece) return (piece:gsub(" ", "\0")) end)
  for word in text:gmatch "[^ \t\r\n]+" do list[#list + 1] = (word:gsub("\0", " ")) end
  return list
end

-- Prints a paragraph in lines that fit; the first begins with `lead`, the others with as many blanks.
local function fill(text, lead, color)
  lead = lead or ""
  local column, line, indent = length(lead), { color and paint(color, lead) or lead }, (" "):rep(length(lead))
  local start, limit = column, width()
  for _, word in ipairs(words(text)) do
    local size = length(word)
    if column > start and column + 1 + size > limit then
      print(table.concat(line))
      line, column = { indent }, start
    end
    line[#line + 1] = (column > start and " " or "") .. code(word)
    column = column + size + (column > start and 1 or 0)
  end
  print(table.concat(line))
end

local function format(text, ...)
  if type(text) ~= "string" then error("a text expected, got " .. type(text), 3) end
  return select("#", ...) > 0 and text:format(...) or text
end

-- [ the source, which is read before the current folder changes ]

local path, source
for level = 2, 10 do
  local info = debug.getinfo(level, "S")
  if not info then break end
  if info.what == "main" and info.source:sub(1, 1) == "@" then
    path = info.source:sub(2)
    break
  end
end
if not path then error("mmap.lesson is for the file of a lesson: mmaplua --lesson ./FILE.lua", 0) end
-- Mapped: opening a pipe again would wait for somebody who writes the lesson a second time.
local function read_lines()
  local lines = {}
  local file <close> = require "mmap".open(path)
  for line in file:lines() do lines[#lines + 1] = line end
  return lines
end
source = read_lines()
local title = (source[1] or ""):match "^%-%-.- %- (.*)$" or path:match "[^/]*$"
title = title:gsub("^%l", string.upper)

for _, argument in ipairs(arg) do
  if argument == "--check" then has_reader = false
  else
    io.stderr:write("a lesson takes no argument but --check, and options come before --lesson: ", argument, "\n")
    os.exit(1)
  end
end

-- [ the folder ]

local folder, place, reason
for _, parent in ipairs { variable "TMPDIR" or ".", "/tmp" } do
  folder, place = new_folder(parent)
  if folder then break end
  reason = reason or place
end
if not folder then error("no folder for the lesson's files can be made: " .. tostring(reason), 0) end

-- The file system of the folder: the mount point that is the longest part of its path, the latest if there are several.
local function filesystem()
  local name, device, longest = "?", nil, -1
  local file = io.open "/proc/self/mountinfo"
  if not file then return name end
  for line in file:lines() do
    local number, point, kind = line:match "^%d+ %d+ (%d+:%d+) %S+ (%S+) .* %- (%S+) "
    if point then
      point = point:gsub("\\(%d%d%d)", function(digits) return string.char(tonumber(digits, 8)) end):gsub("/$", "")
      if (place .. "/"):sub(1, #point + 1) == point .. "/" and #point >= longest then
        name, device, longest = kind, number, #point
      end
    end
  end
  file:close()
  return name, device
end

-- Whether a page can leave the memory here, found by trying: on tmpfs it is nowhere else.
local function can_evict()
  local mmap = require "mmap"
  for _ = 1, 5 do
    local file = assert(io.open("probe", "wb"))
    file:write(("x"):rep(16 * mmap.PAGESIZE))
    file:close()
    local ok, evicted, stayed = pcall(mmap.evict, "probe")
    os.remove "probe"
    if ok and evicted and evicted > 0 and stayed == 0 then return true end
  end
  return false
end

--- The path of this program, for a shell.
lesson.program = "'" .. program:gsub("'", "'\\''") .. "'"

--- The folder of the lesson's files, which is the current one: its path, what kind of file system it is on, the
--- number of that device ("254:0"), and whether a page of a file can be out of memory there.
lesson.folder = place
lesson.filesystem, lesson.device = filesystem()
lesson.has_disk = can_evict()

-- [ what a lesson says ]

-- Claims stand together; a blank line comes after the last of them.
local after_claim = false
local function begin_paragraph()
  if after_claim then print() end
  after_claim = false
end

--- Prints paragraphs, which blank lines separate, filled to the width of the terminal. A line that begins with two
--- blanks stays as it is. With more arguments the text is a format, as for string.format.
function lesson.say(text, ...)
  text = format(text, ...)
  begin_paragraph()
  for paragraph in (text:gsub("\n[ \t]*\n", "\0") .. "\0"):gmatch "([^\0]*)\0" do
    local filled = {}
    for line in (paragraph .. "\n"):gmatch "([^\n]*)\n" do
      if line:find "^  %s*%S" then
        if #filled > 0 then fill(table.concat(filled, " ")) end
        filled = {}
        print(line)
      elseif line:find "%S" then filled[#filled + 1] = line end
    end
    if #filled > 0 then fill(table.concat(filled, " ")) end
    print()
  end
end

-- Waits for Return where there is a person; "q", Ctrl-D and Ctrl-C leave.
local function pause(prompt)
  if not has_reader or not is_seen then return end
  local answer = ask(paint("2", prompt))
  if answer and colored then io.write "\27[1A\27[2K" end
  if answer and not answer:find "^%s*[qQ]" then return end
  if answer == nil then print() end
  has_left = true
  os.exit(answer == false and 130 or 0, true)
end

local steps = 0
--- Begins the next part, after a pause.
function lesson.step(heading, ...)
  begin_paragraph()
  if steps > 0 then pause "Return goes on, q leaves " end
  steps = steps + 1
  print(paint("1", steps .. "  " .. format(heading, ...)))
  print()
end

--- Asks the reader, and waits.
function lesson.ask(question, ...)
  begin_paragraph()
  fill(format(question, ...), ASKS .. " ", "1;36")
  pause "Think, then Return "
  print()
end

-- The lines of a function's body.
local function body(f)
  local info = debug.getinfo(f, "S")
  if info.source ~= "@" .. path then error("the function is not from the file of the lesson", 3) end
  local first, last = info.linedefined, info.lastlinedefined
  if last > first + 1 then first, last = first + 1, last - 1 end
  local indent = math.huge
  for n = first, last do
    if source[n]:find "%S" then indent = math.min(indent, #source[n]:match "^ *") end
  end
  return first, last, indent + 1
end

-- As pcall, until the first result is true. Only the last time prints.
local function repeated(f, tries)
  local real, results = print, nil
  for n = 1, tries do
    local lines = {}
    print = function(...)
      local texts = {}
      for i = 1, select("#", ...) do texts[i] = tostring((select(i, ...))) end
      lines[#lines + 1] = table.concat(texts, "\t")
    end
    results = table.pack(pcall(f))
    print = real
    if not results[1] or results[2] or n == tries then
      for _, line in ipairs(lines) do print(line) end
      break
    end
  end
  return table.unpack(results, 1, results.n)
end

--- Shows the body of a function, from the lesson's own file, and then calls it. Returns its results. With
--- `options.tries` a function whose first result is false is called again, up to so many times: for what other
--- programs can disturb.
function lesson.run(f, options)
  if type(f) ~= "function" then error("bad argument #1 to 'run' (function expected, got " .. type(f) .. ")", 2) end
  local first, last, start = body(f)
  begin_paragraph()
  local digits = #tostring(last)
  for n = first, last do
    local text = ("%" .. digits .. "d %s "):format(n, unicode and "│" or "|")
    print((paint("2", text) .. source[n]:sub(start):gsub("%s+$", "")))
  end
  io.flush()
  local results = options and options.tries and table.pack(repeated(f, options.tries)) or table.pack(true, f())
  if not results[1] then error(results[2], 0) end
  print()
  return table.unpack(results, 2, results.n)
end

--- Says what must hold, with the numbers measured, and whether it does. The program fails in the end if not.
function lesson.claim(holds, text, ...)
  claims = claims + 1
  if not holds then failures = failures + 1 end
  fill(format(text, ...), (holds and HOLDS or FAILS) .. " ", holds and "32" or "31")
  if not holds then fill("This does not hold here.", "  ") end
  after_claim = true
  return holds
end

--- Says why a part cannot be shown here.
function lesson.skip(why, ...)
  skipped = skipped + 1
  begin_paragraph()
  fill("Skipped here: " .. format(why, ...), SKIPS .. " ", "35")
  print()
end

--- What the reader can do now: the end of a lesson.
function lesson.next(text, ...)
  begin_paragraph()
  print(paint("1", "What to try next"))
  print()
  lesson.say(text, ...)
end

-- [ numbers ]

local function plural(n, noun) return n .. " " .. noun .. (n == 1 and "" or "s") end
lesson.plural = plural

--- Bytes with a unit of 1024.
function lesson.size(bytes)
  local units = { "bytes", "KiB", "MiB", "GiB", "TiB" }
  local n, value = 1, bytes
  while value >= 1024 and n < #units do value, n = value / 1024, n + 1 end
  return (("%.1f "):format(value):gsub("%.0 $", " ")) .. units[n]
end

--- Seconds with a unit that fits.
function lesson.time(seconds)
  for _, unit in ipairs { { 1, "s" }, { 1e-3, "ms" } } do
    if seconds >= unit[1] then return ("%.3g %s"):format(seconds / unit[1], unit[2]) end
  end
  return ("%.3g us"):format(seconds / 1e-6)
end

-- [ beginning and end ]

setmetatable(lesson, {
  __close = function(_, problem)
    do local _ <close> = folder end
    if problem ~= nil or has_left then return end
    local summary = failures == 0 and plural(claims, "claim") .. (claims == 1 and " holds" or " hold")
      or ("%d of %s not hold here"):format(failures, plural(claims, "claim") .. (failures == 1 and " does" or " do"))
    if skipped > 0 then summary = summary .. ", " .. plural(skipped, "part") .. " skipped" end
    print(("%s (files on %s)"):format(summary, lesson.filesystem))
    if claims == 0 then io.stderr:write "a lesson without a claim proves nothing\n" end
    -- Without closing the state: that may be what is being done.
    if failures > 0 or claims == 0 then os.exit(false) end
  end,
})

print(paint("1", title))
print(paint("2", RULE:rep(math.min(width(), utf8.len(title) or #title))))
print()
return lesson

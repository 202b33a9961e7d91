-- The module mmap.lesson: prints a lesson's text, shows and runs its code, asks questions and checks claims. A lesson
-- begins with `local lesson <close> = require "mmap.lesson"`. When that variable is closed, the lesson's files are
-- removed, and the program exits with status 1 if a claim did not hold.

local terminal, ask, new_folder, program = ...
local WIDEST <const> = 92 -- columns: longer lines of text are hard to read

local lesson = {}
local claims, failures, skipped, has_left = 0, 0, 0, false
local has_reader, is_seen = terminal()

-- [ output style ]

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

-- A color terminal shows `code` in bold, without the backquotes.
local function code(word)
  if not colored then return word end
  return (word:gsub("`([^`]*)`", function(inner) return paint("1", inner) end))
end
-- The columns of a word on the terminal.
local function length(word)
  local shown = colored and word:gsub("`([^`]*)`", "%1") or word
  return utf8.len(shown) or #shown
end

-- The words of a text. `code` with blanks is one word.
local function words(text)
  local list = {}
  text = text:gsub("`[^`]*`", function(piece) return (piece:gsub(" ", "\0")) end)
  for word in text:gmatch "[^ \t\r\n]+" do list[#list + 1] = (word:gsub("\0", " ")) end
  return list
end

-- Prints a paragraph, wrapped to the width. `lead` precedes the first line; the others are indented by its length.
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
  if type(text) ~= "string" then error("string expected, got " .. type(text), 3) end
  return select("#", ...) > 0 and text:format(...) or text
end

-- [ source of the lesson, read before the current folder changes ]

local path, source
for level = 2, 10 do
  local info = debug.getinfo(level, "S")
  if not info then break end
  if info.what == "main" and info.source:sub(1, 1) == "@" then
    path = info.source:sub(2)
    break
  end
end
if not path then error("mmap.lesson works only in the file of a lesson: mmaplua --lesson ./FILE.lua", 0) end
-- mmap.open fails for a pipe, where io.open would wait for a second writer.
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
    io.stderr:write("a lesson accepts only --check; put options before --lesson: ", argument, "\n")
    os.exit(1)
  end
end

-- [ folder for the lesson's files ]

local folder, place, reason
for _, parent in ipairs { variable "TMPDIR" or ".", "/tmp" } do
  folder, place = new_folder(parent)
  if folder then break end
  reason = reason or place
end
if not folder then error("cannot create a folder for the lesson's files: " .. tostring(reason), 0) end

-- The file system of the folder and its device number: of the mount point that is the longest prefix of the path, the
-- last one of those of equal length.
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

-- Whether pages of a file can be evicted from memory, found by a trial. Not on tmpfs, which has no disk.
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

--- The folder for the lesson's files, which is the current folder: its path, its type of file system, its device number
--- ("254:0"), and whether pages of its files can be evicted from memory.
lesson.folder = place
lesson.filesystem, lesson.device = filesystem()
lesson.has_disk = can_evict()

-- [ text, steps, code and claims ]

-- No blank lines between claims; one after the last.
local after_claim = false
local function begin_paragraph()
  if after_claim then print() end
  after_claim = false
end

--- Prints paragraphs, separated by blank lines, wrapped to the width of the terminal. Lines that begin with two blanks
--- are not wrapped. With more arguments, the text is a format as for string.format.
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

-- Waits for Return on a terminal. "q", Ctrl-D and Ctrl-C end the lesson.
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
--- Begins a numbered part, after a pause.
function lesson.step(heading, ...)
  begin_paragraph()
  if steps > 0 then pause "Return continues, q quits " end
  steps = steps + 1
  print(paint("1", steps .. "  " .. format(heading, ...)))
  print()
end

--- Asks the reader a question and pauses.
function lesson.ask(question, ...)
  begin_paragraph()
  fill(format(question, ...), ASKS .. " ", "1;36")
  pause "Think, then press Return "
  print()
end

-- The first and last line of a function's body, and the column where its text begins.
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

-- As pcall, repeated until the first result of `f` is true, at most `tries` times. Only the last call prints.
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

--- Shows the body of a function of the lesson's file, calls it, and returns its results. With `options.tries`, calls it
--- up to that many times until its first result is true: for measurements that other programs can disturb.
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

--- Prints a claim, with measured numbers, and whether it holds. If not, the program exits with status 1 at the end.
function lesson.claim(holds, text, ...)
  claims = claims + 1
  if not holds then failures = failures + 1 end
  fill(format(text, ...), (holds and HOLDS or FAILS) .. " ", holds and "32" or "31")
  if not holds then fill("This does not hold here.", "  ") end
  after_claim = true
  return holds
end

--- Prints why a part is skipped on this system.
function lesson.skip(why, ...)
  skipped = skipped + 1
  begin_paragraph()
  fill("Skipped here: " .. format(why, ...), SKIPS .. " ", "35")
  print()
end

--- Prints what to try next, at the end of a lesson.
function lesson.next(text, ...)
  begin_paragraph()
  print(paint("1", "What to try next"))
  print()
  lesson.say(text, ...)
end

-- [ numbers ]

local function plural(n, noun) return n .. " " .. noun .. (n == 1 and "" or "s") end
lesson.plural = plural

--- Bytes as text, with units of 1024: "1.5 KiB".
function lesson.size(bytes)
  local units = { "bytes", "KiB", "MiB", "GiB", "TiB" }
  local n, value = 1, bytes
  while value >= 1024 and n < #units do value, n = value / 1024, n + 1 end
  return (("%.1f "):format(value):gsub("%.0 $", " ")) .. units[n]
end

--- Seconds as text, in s, ms or us.
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
    if claims == 0 then io.stderr:write "a lesson needs at least one claim\n" end
    -- Do not close the state: this may run while it is being closed.
    if failures > 0 or claims == 0 then os.exit(false) end
  end,
})

print(paint("1", title))
print(paint("2", RULE:rep(math.min(width(), utf8.len(title) or #title))))
print()
return lesson

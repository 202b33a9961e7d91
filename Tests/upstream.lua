-- upstream.lua FOLDER: PCRE2's own tests through mmap.regex, of what its flags can say. FOLDER is upstream's testdata.
--
-- An output file holds the lines of its input file, and after each the results. Inputs 1 and 4 are the tests that Perl
-- passes too, without and with UTF-8; 2 and 5 are those of everything else.
local folder = assert(arg[1], "usage: upstream.lua FOLDER")

local function lines_of(name)
  local list = {}
  for line in assert(io.open(folder .. "/" .. name, "rb")):lines() do list[#list + 1] = line end
  return list
end

-- The input's lines, each with the lines of results after it.
local function read(number)
  local input, output = lines_of("testinput" .. number), lines_of("testoutput" .. number)
  local list, at = {}, 1
  for i, line in ipairs(input) do
    local results = {}
    while output[at] and output[at] ~= line do
      results[#results + 1] = output[at]
      at = at + 1
    end
    if i > 1 then list[i - 1].results = results end
    list[i] = { text = line }
    at = at + 1
  end
  list[#list].results = table.move(output, at, #output, 1, {})
  return list
end

-- ---- patterns

local letters = { i = "i", m = "m", s = "s", x = "x" }
local words = { caseless = "i", multiline = "m", dotall = "s", extended = "x" }
local prefixes = {
  n = "(?n)", no_auto_capture = "(?n)", xx = "(?xx)", extended_more = "(?xx)", dupnames = "(?J)", J = "(?J)", ungreedy = "(?U)", U = "(?U)",
  no_start_optimize = "(*NO_START_OPT)", no_auto_possess = "(*NO_AUTO_POSSESS)", no_dotstar_anchor = "(*NO_DOTSTAR_ANCHOR)", ["newline=lf"] = "(*LF)",
  ["newline=cr"] = "(*CR)", ["newline=crlf"] = "(*CRLF)", ["newline=any"] = "(*ANY)", ["newline=anycrlf"] = "(*ANYCRLF)", ["newline=nul"] = "(*NUL)",
  ["bsr=unicode"] = "(*BSR_UNICODE)", ["bsr=anycrlf"] = "(*BSR_ANYCRLF)" }
-- What changes only what is printed.
local printed = {
  g = "g", global = "g", aftertext = "", allaftertext = "", mark = "", info = "", I = "", B = "", fullbincode = "", bincode = "", startchar = "", jitverify = "",
  allcaptures = "all", jit = "", memory = "", no_jit = "", debug = "", framesize = "", startoffset = "", utf = "utf", ucp = "ucp", hex = "hex", subject_literal = "literal" }

-- Flags, a prefix, and how to print; or nil and the modifier that mmap.regex cannot say.
local function read_modifiers(text)
  local how, flags, first, options, list = {}, {}, "", "", {}
  for word in text:gsub("%s+$", ""):gmatch "[^,]+" do list[#list + 1] = word:match "^%s*(.-)%s*$" end
  if list[1] and list[1]:find "^[%a]+$" and not (words[list[1]] or prefixes[list[1]] or printed[list[1]]) then
    local cluster = table.remove(list, 1)
    if cluster:find "[^imsxnIBgJU]" then return nil, cluster end
    for letter in cluster:gsub("xx", function() list[#list + 1] = "xx" return "" end):gmatch "." do list[#list + 1] = letter end
  end
  for _, word in ipairs(list) do
    local flag = letters[word] or words[word]
    if flag then flags[flag] = true
    elseif prefixes[word] then
      if prefixes[word]:find "^%(%*" then options = options .. prefixes[word] else first = first .. prefixes[word] end
    elseif word:find "^jitstack=" then how.jit = true
    elseif printed[word] then how[printed[word]] = true
    else return nil, word end
  end
  return how, flags, first, options
end

-- The pattern of the modifier hex: pairs of digits, and text in quotes.
local function unhex(text)
  local list, at = {}, 1
  while at <= #text do
    local quote = text:match("^['\"]", at)
    if quote then
      local close = text:find(quote, at + 1, true)
      list[#list + 1] = text:sub(at + 1, close - 1)
      at = close + 1
    elseif text:find("^%x%x", at) then
      list[#list + 1] = string.char(tonumber(text:sub(at, at + 1), 16))
      at = at + 2
    else
      at = at + 1
    end
  end
  return table.concat(list)
end

-- ---- subjects

local escapes = { a = "\a", b = "\b", e = "\27", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v" }
local unescape
function unescape(text, is_utf)
  local list, at = {}, 1
  while at <= #text do
    local char = text:sub(at, at)
    if char ~= "\\" then
      list[#list + 1] = char
      at = at + 1
    elseif at == #text then
      break
    else
      local rest = text:sub(at + 1)
      local hex = rest:match "^x{(%x+)}"
      local byte = rest:match "^x(%x%x?)"
      local octal = rest:match "^[0-7][0-7]?[0-7]?"
      if rest:find "^=" then
        return table.concat(list), rest:sub(2)
      elseif hex then
        local code = tonumber(hex, 16)
        list[#list + 1] = is_utf and utf8.char(code) or code < 256 and string.char(code) or error "wide"
        at = at + 4 + #hex
      elseif byte then
        list[#list + 1] = string.char(tonumber(byte, 16))
        at = at + 2 + #byte
      elseif octal then
        local code = tonumber(octal, 8)
        list[#list + 1] = is_utf and utf8.char(code) or string.char(code & 255)
        at = at + 1 + #octal
      elseif rest:find "^N{U%+%x+}" or rest:find "^o{[0-7]+}" then
        local digits = rest:match "{U?%+?(%x+)}"
        local code = tonumber(digits, rest:find "^N" and 16 or 8)
        list[#list + 1] = is_utf and utf8.char(code) or code < 256 and string.char(code) or error "wide"
        at = at + 1 + #rest:match "^.-}"
      elseif rest:find "^%[.-%]{%d+}" then
        local part, count = rest:match "^%[(.-)%]{(%d+)}"
        list[#list + 1] = unescape(part, is_utf):rep(tonumber(count))
        at = at + 1 + #rest:match "^%[.-%]{%d+}"
      elseif rest:find "^[oNx%[]" then
        error "an escape of subjects"
      else
        list[#list + 1] = escapes[rest:sub(1, 1)] or rest:sub(1, 1)
        at = at + 2
      end
    end
  end
  return table.concat(list), ""
end

-- As pcre2test prints text.
local function show(text, is_utf)
  if not is_utf then return (text:gsub("[^\32-\126]", function(c) return ("\\x%02x"):format(c:byte()) end)) end
  local list = {}
  for _, code in utf8.codes(text) do
    list[#list + 1] = code >= 32 and code < 127 and string.char(code) or ("\\x{%02x}"):format(code)
  end
  return table.concat(list)
end

-- ---- one test

local counts
local function skip(reason)
  counts.skipped = counts.skipped + 1
  counts.reasons[reason] = (counts.reasons[reason] or 0) + 1
end

-- The matches in the output, as lists of captures; nil if they are not compared.
local function expected(results)
  local matches = {}
  for _, line in ipairs(results) do
    local number, text = line:match "^%s?(%d+): (.*)$"
    if not number then number, text = line:match "^%s?(%d+):()$" end
    if number then
      if number == "0" then matches[#matches + 1] = {} end
      local match = matches[#matches]
      if not match then return nil end
      match[tonumber(number) + 1] = type(text) == "string" and text or ""
    elseif line:find "^No match" then
      return {}
    elseif not (line:find "^%s?%d+%+" or line:find "^MK:" or line == "" or line:find "^\\=") then
      return nil, line:match "^%a*" ~= "" and line:match "^%a*" or "other results"
    end
  end
  return #matches > 0 and matches or nil
end

local failures = 0
local function test(pattern, flags, how, re, line, results)
  local is_utf = flags:find "u" ~= nil
  local is_good, subject, modifiers = true, line:match "^%s*(.-)%s*$", ""
  if not how.literal then is_good, subject, modifiers = pcall(unescape, subject, is_utf) end
  if not is_good then return skip "escapes of subjects" end
  local offset, is_global = 0, how.g
  for word in modifiers:gmatch "[^,%s]+" do
    if word:find "^offset=%d+$" then offset = tonumber(word:match "%d+")
    elseif word == "g" or word == "global" then is_global = true
    elseif printed[word] ~= "" then return skip("subject modifier " .. word:match "^[%a_]*") end
  end
  if is_utf and not utf8.len(subject) then return skip "subjects that are not UTF-8" end
  if offset > #subject then return skip "offsets past the end" end
  local wanted, why = expected(results)
  if not wanted then return skip(why or "no results") end
  counts.tested = counts.tested + 1
  local b = mmap.anonymous(#subject + 1):slice(1)
  b:copy(0, subject)
  for _, source in ipairs { subject, b } do
    local got, e = {}, nil
    local ok, message = pcall(function()
      for at, length, list in function(step) return step() end, (function()
        local step = re:gfind(source, offset)
        return function()
          local found = table.pack(step())
          return found[1], found[2], found
        end
      end)() do
        local match = { show(subject:sub(at + 1, at + length), is_utf) }
        for i = 3, list.n do match[i - 1] = list[i] and show(list[i], is_utf) or "<unset>" end
        got[#got + 1] = match
        if not is_global then break end
      end
    end)
    if not ok then e = message end
    local differs = e or #got ~= #wanted
    for i, match in ipairs(got) do
      for j = 1, math.max(#match, wanted[i] and #wanted[i] or 0) do
        local one = wanted[i] and wanted[i][j] or "<unset>"
        if match[j] ~= one then differs = true end
      end
    end
    if differs then
      failures = failures + 1
      local texts = {}
      for i, match in ipairs(got) do texts[i] = table.concat(match, " | ") end
      print(("FAILED: /%s/%s on %q: %s"):format(pattern, flags, subject, e or table.concat(texts, "; ")))
      for _, result in ipairs(results) do print("        wanted: " .. result) end
    end
  end
end

-- ---- a file

local function run(number)
  counts = { patterns = 0, tested = 0, skipped = 0, reasons = {} }
  local list, i = read(number), 1
  local re, pattern, flags, how
  local defaults = ""
  while i <= #list do
    local line = list[i].text
    local delimiter = line:match "^([/!\"'`%-=_:;,%%&@~])"
    if delimiter then
      local text = line:sub(2)
      local function close(from)
        while from do
          local at = text:find(delimiter, from, true)
          if not at then return nil end
          local slashes = #text:sub(1, at - 1):match "\\*$"
          if slashes % 2 == 0 then return at end
          from = at + 1
        end
      end
      local at = close(1)
      while not at and i < #list do
        i = i + 1
        text = text .. "\n" .. list[i].text
        at = close(1)
      end
      re = nil
      pattern = text:sub(1, at - 1)
      local modifiers = text:sub(at + 1)
      local given, first_part, options
      how, given, first_part, options = read_modifiers(modifiers .. (defaults ~= "" and "," .. defaults or ""))
      counts.patterns = counts.patterns + 1
      if not how then
        skip("modifier " .. tostring(given):match "^[%a_]*")
      else
        if how.hex then pattern = unhex(pattern) end
        flags = ""
        for flag in pairs(given) do flags = flags .. flag end
        if pattern:find "^%(%*UTF8?%)" or how.utf then
          flags = flags .. "u"
          pattern = pattern:gsub("^%(%*UTF8?%)", "")
          -- The flag means PCRE2_UCP too.
          if not how.ucp and not pattern:find "^%(%*UCP%)" then first_part = "(?a)" .. first_part end
        elseif how.ucp then
          options = options .. "(*UCP)"
        end
        -- The pattern's own options stay in front.
        local own = ""
        while pattern:find("^%(%*[A-Z_]+[=%d]*%)", #own + 1) and not pattern:find("^%(%*[ACFMPST][COAKRH]", #own + 1) do
          own = pattern:match("^%(%*[A-Z_]+[=%d]*%)", #own + 1) and own .. pattern:match("^%(%*[A-Z_]+[=%d]*%)", #own + 1)
        end
        local is_good, compiled = pcall(mmap.regex, options .. own .. first_part .. pattern:sub(#own + 1), flags)
        local fails = false
        for _, result in ipairs(list[i].results) do fails = fails or result:find "^Failed: error" end
        if is_good then re = compiled
        elseif fails then counts.tested = counts.tested + 1
        else skip("pattern: " .. tostring(compiled):match "%((.-) %(at byte") end
        if is_good and fails then
          skip "an error of pcre2test or of an option"
          re = nil
        end
      end
    elseif line:find "^#" then
      defaults = line:match "^#pattern%s+(.*)$" or defaults
      if line:find "^#pattern%s+%-" or line:find "^#pattern%s*$" then defaults = "" end
    elseif line:find "^%s+%S" or line:find "^%s*\\" and not line:find "^\\=" then
      if re then test(pattern, flags, how, re, line, list[i].results) else counts.skipped = counts.skipped + 1 end
    end
    i = i + 1
  end
  print(("testinput%s: %d patterns, %d tests, %d that the flags cannot say"):format(number, counts.patterns, counts.tested, counts.skipped))
  local reasons = {}
  for reason, count in pairs(counts.reasons) do reasons[#reasons + 1] = ("%5d %s"):format(count, reason) end
  table.sort(reasons, function(a, b) return a > b end)
  if arg[2] == "-v" then print(table.concat(reasons, "\n")) end
end

for _, number in ipairs { "1", "4", "2", "5" } do run(number) end
print(("%d failed"):format(failures))
os.exit(failures == 0)

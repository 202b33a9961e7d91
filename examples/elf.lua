-- elf.lua FILE - header, program headers and sections of an ELF file, like a short `readelf -h -S -l`.
-- A file is a record here: only the pages that hold headers are ever read, however large the rest.
--
-- test: "$mmaplua"

local mmap = require "mmap"

-- Names of the numbers in <elf.h>; any other number is shown as it is.
local OS <const> = {
  [0] = "UNIX - System V", "HP-UX", "NetBSD", "UNIX - GNU", [6] = "Solaris", [9] = "FreeBSD",
  [12] = "OpenBSD", [97] = "ARM", [255] = "standalone",
}
local TYPE <const> = {
  [0] = "NONE", "REL (relocatable)", "EXEC (executable)", "DYN (shared or position-independent)", "CORE",
}
local MACHINE <const> = {
  [0] = "none", [2] = "SPARC", [3] = "80386", [4] = "68000", [8] = "MIPS", [20] = "PowerPC",
  [21] = "PowerPC64", [22] = "S/390", [40] = "ARM", [43] = "SPARC V9", [50] = "IA-64", [62] = "x86-64",
  [183] = "AArch64", [243] = "RISC-V", [247] = "BPF", [258] = "LoongArch",
}
local SEGMENT <const> = {
  [0] = "NULL", "LOAD", "DYNAMIC", "INTERP", "NOTE", "SHLIB", "PHDR", "TLS", [0x6474e550] = "GNU_EH_FRAME",
  [0x6474e551] = "GNU_STACK", [0x6474e552] = "GNU_RELRO", [0x6474e553] = "GNU_PROPERTY",
}
local SECTION <const> = {
  [0] = "NULL", "PROGBITS", "SYMTAB", "STRTAB", "RELA", "HASH", "DYNAMIC", "NOTE", "NOBITS", "REL", "SHLIB",
  "DYNSYM", [14] = "INIT_ARRAY", [15] = "FINI_ARRAY", [16] = "PREINIT_ARRAY", [17] = "GROUP",
  [18] = "SYMTAB_SHNDX", [19] = "RELR", [0x6ffffff5] = "GNU_ATTRIBUTES", [0x6ffffff6] = "GNU_HASH",
  [0x6ffffffd] = "VERDEF", [0x6ffffffe] = "VERNEED", [0x6fffffff] = "VERSYM",
}
local FLAGS <const> = { -- in readelf's order and letters
  { 0x1, "W" }, { 0x2, "A" }, { 0x4, "X" }, { 0x10, "M" }, { 0x20, "S" }, { 0x40, "I" }, { 0x80, "L" },
  { 0x100, "O" }, { 0x200, "G" }, { 0x400, "T" }, { 0x800, "C" }, { 0x80000000, "E" },
}

-- The records of the format, as string.unpack reads them; A is an address, offset or size: I4 or I8.
local HEADER <const> = {
  format = "I2I2I4AAAI4I2I2I2I2I2I2",
  "type", "machine", "version", "entry", "phoff", "shoff", "flags", "ehsize", "phentsize", "phnum",
  "shentsize", "shnum", "shstrndx",
}
local PROGRAM_HEADER <const> = {
  [32] = {
    format = "I4AAAAAI4A",
    "type", "offset", "vaddr", "paddr", "filesz", "memsz", "flags", "align",
  },
  [64] = {
    format = "I4I4AAAAAA",
    "type", "flags", "offset", "vaddr", "paddr", "filesz", "memsz", "align",
  },
}
local SECTION_HEADER <const> = {
  format = "I4I4AAAAI4I4AA",
  "name", "type", "flags", "addr", "offset", "size", "link", "info", "addralign", "entsize",
}
local LONGEST <const> = 18 -- characters of a section's name, for lines of 80
local MOST <const> = 1 << 17 -- rows of a table; a hostile file could claim billions

-- A mistake of the file, not of this script: no position in front.
local function fail(format, ...) error(format:format(...), 0) end

-- Numbers from a file are anything, and those from 2^63 on are negative here: they are compared
-- unsigned, and added only when they are known to be small.
local function check(b, what, offset, length)
  if math.ult(#b, offset) or math.ult(#b - offset, length) then
    fail("%s: 0x%x bytes at offset 0x%x reach past the end of the file at 0x%x", what, length, offset, #b)
  end
end

local function bytes(b, what, offset, length)
  check(b, what, offset, length)
  return b:string(offset, length)
end

local function format_of(elf, record)
  return elf.endian .. record.format:gsub("A", elf.bits == 64 and "I8" or "I4")
end

local function read_record(elf, what, record, offset)
  local format, result = format_of(elf, record), {}
  local values = { string.unpack(format, bytes(elf.buffer, what, offset, string.packsize(format))) }
  for i, name in ipairs(record) do result[name] = values[i] end
  return result
end

local function read_table(elf, what, record, offset, count, size)
  if count == 0 then return {} end
  if math.ult(MOST, count) then fail("%s: 0x%x of them are more than this example shows", what, count) end
  local least = string.packsize(format_of(elf, record))
  if size < least then fail("%s: their size is %d bytes and not %d", what, size, least) end
  check(elf.buffer, what, offset, count * size)
  local result = {}
  for i = 1, count do result[i] = read_record(elf, what, record, offset + (i - 1) * size) end
  return result
end

local function read_elf(b)
  if b:string(0, math.min(4, #b)) ~= "\x7fELF" then fail "not an ELF file" end
  local class, data, version, os = bytes(b, "identification", 0, 16):byte(5, 8)
  local elf = { buffer = b, bits = ({ 32, 64 })[class], endian = ({ "<", ">" })[data], os = os }
  if not elf.bits then fail("class %d is neither 1 (32 bits) nor 2 (64 bits)", class) end
  if not elf.endian then fail("encoding %d is neither 1 (little-endian) nor 2 (big-endian)", data) end
  if version ~= 1 then fail("version %d is not 1", version) end

  local h = read_record(elf, "header", HEADER, 16)
  elf.header = h
  -- Numbers too large for their 16 bits are in section 0 instead.
  if h.shoff ~= 0 and (h.shnum == 0 or h.phnum == 0xffff or h.shstrndx == 0xffff) then
    local first = read_table(elf, "sections", SECTION_HEADER, h.shoff, 1, h.shentsize)[1]
    if h.shnum == 0 then h.shnum = first.size end
    if h.phnum == 0xffff then h.phnum = first.info end
    if h.shstrndx == 0xffff then h.shstrndx = first.link end
  end
  return elf
end

-- A string of the file as it may go to a terminal.
local function printable(s) return (s:gsub("[^\x20-\x7e]", "?")) end

local function flags(value, letters)
  local result = ""
  for _, flag in ipairs(letters) do
    if value & flag[1] ~= 0 then result = result .. flag[2] end
  end
  return result
end

local function named(names, value) return names[value] or ("0x%x"):format(value) end

local function hex(value) return ("%x"):format(value) end

-- Prints rows in columns as wide as they need to be, numbers flush right: that are the columns whose
-- heading begins with ">".
local function columns(heading, lines)
  local right, widths = {}, {}
  for i, cell in ipairs(heading) do right[i], heading[i] = cell:match "^>", cell:gsub("^>", "") end
  table.insert(lines, 1, heading)
  for _, line in ipairs(lines) do
    for i, cell in ipairs(line) do widths[i] = math.max(widths[i] or 0, #cell) end
  end
  for _, line in ipairs(lines) do
    for i, cell in ipairs(line) do
      local space = (" "):rep(widths[i] - #cell)
      line[i] = right[i] and space .. cell or cell .. space
    end
    print((("  " .. table.concat(line, " ")):gsub("%s+$", "")))
  end
end

local function show_header(elf)
  local h = elf.header
  print(("  ELF%d, %s-endian, %s, for %s"):format(elf.bits, elf.endian == "<" and "little" or "big",
    named(TYPE, h.type), named(MACHINE, h.machine)))
  print(("  system %s, entry 0x%x, flags 0x%x"):format(named(OS, elf.os), h.entry, h.flags))
end

local function show_segments(elf)
  local h = elf.header
  local lines = {}
  local record = PROGRAM_HEADER[elf.bits]
  for _, s in ipairs(read_table(elf, "program headers", record, h.phoff, h.phnum, h.phentsize)) do
    lines[#lines + 1] = {
      named(SEGMENT, s.type), hex(s.offset), hex(s.vaddr), hex(s.filesz), hex(s.memsz),
      flags(s.flags, { { 4, "R" }, { 2, "W" }, { 1, "E" } }), hex(s.align),
    }
    if s.type == 3 then -- the path of the loader, which ends with a zero byte
      local length = math.min(s.filesz & math.maxinteger, 4096)
      local path = bytes(elf.buffer, "the interpreter's path", s.offset, length)
      lines.interpreter = printable(path:match "^[^\0]*")
    end
  end
  print(("\nProgram headers: %d at offset 0x%x"):format(#lines, h.phoff))
  if #lines > 0 then
    columns({ "Type", ">Offset", ">Address", ">In file", ">In memory", "Flags", ">Align" }, lines)
  end
  if lines.interpreter then print("  interpreter " .. lines.interpreter) end
end

-- The name that begins at an offset into the strings, or what readelf says when there is none.
local function name_at(elf, strings, offset)
  if not strings or strings.type == 8 then return "" end -- NOBITS takes no space in the file
  if not math.ult(offset, strings.size) then return offset == 0 and "" or "<corrupt>" end
  local rest = strings.size - offset
  if rest < 0 or rest > LONGEST then rest = LONGEST + 1 end
  rest = math.min(rest, #elf.buffer - strings.offset - offset)
  local name = printable(elf.buffer:string(strings.offset + offset, rest):match "^[^\0]*")
  return #name > LONGEST and name:sub(1, LONGEST - 1) .. "~" or name
end

local function show_sections(elf)
  local h = elf.header
  local count = h.shoff == 0 and 0 or h.shnum
  local sections = read_table(elf, "sections", SECTION_HEADER, h.shoff, count, h.shentsize)
  local strings = sections[h.shstrndx + 1]
  if strings and strings.type ~= 8 then
    check(elf.buffer, "names of the sections", strings.offset, strings.size)
  end
  local lines = {}
  for i, s in ipairs(sections) do
    local unwind = h.machine == 62 and s.type == 0x70000001
    lines[i] = {
      tostring(i - 1), name_at(elf, strings, s.name), unwind and "UNWIND" or named(SECTION, s.type),
      hex(s.addr), hex(s.offset), hex(s.size), hex(s.entsize), flags(s.flags, FLAGS),
      tostring(s.link), tostring(s.info), tostring(s.addralign),
    }
  end
  print(("\nSections: %d at offset 0x%x"):format(#lines, h.shoff))
  if #lines > 0 then
    columns({
      ">Nr", "Name", "Type", ">Address", ">Offset", ">Size", ">ES", "Flg", ">Lk", ">Inf", ">Al",
    }, lines)
  end
end

local function show(path)
  local b <close> = mmap.open(path)
  b:advise "random" -- headers are at both ends of the file, what lies between is not wanted
  local elf = read_elf(b)
  print(printable(path))
  show_header(elf)
  show_segments(elf)
  show_sections(elf)
end

if #arg ~= 1 then
  io.stderr:write "usage: mmaplua elf.lua FILE\n"
  os.exit(2)
end
local ok, e = pcall(show, arg[1])
if not ok then
  e = type(e) == "string" and ("elf.lua: %s: %s"):format(printable(arg[1]), e) or tostring(e)
  io.stderr:write(e, "\n")
  os.exit(1)
end

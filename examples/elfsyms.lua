-- elfsyms.lua [FILE [COUNT|all]] - the largest symbols of an ELF file, like `nm -S --size-sort -r`;
-- without FILE those of the program that runs this. COUNT is 20 unless given.
--
-- Layouts say where things are; a column of sizes is a view, which is read without making a record each.
--
-- test:
-- test: "$mmaplua" all

local mmap = require "mmap"

local TYPES <const> = { [0] = "NOTYPE", "OBJECT", "FUNC", "SECTION", "FILE", "COMMON", "TLS", [10] = "IFUNC" }
local BINDINGS <const> = { [0] = "LOCAL", "GLOBAL", "WEAK", [10] = "UNIQUE" }
local SYMTAB <const>, DYNSYM <const> = 2, 11

-- The records of the format in a size and byte order. What is as wide as an address is `A`.
local function layouts(bits, order)
  local A, u16, u32 = "u" .. bits .. order, "u16" .. order, "u32" .. order
  local symbol = bits == 64
      and { { "name", u32 }, { "info", "u8" }, { "other", "u8" }, { "section", u16 }, { "value", A }, { "size", A } }
    or { { "name", u32 }, { "value", A }, { "size", A }, { "info", "u8" }, { "other", "u8" }, { "section", u16 } }
  return {
    header = mmap.struct {
      { "ident", "bytes[16]" }, { "type", u16 }, { "machine", u16 }, { "version", u32 }, { "entry", A },
      { "phoff", A }, { "shoff", A }, { "flags", u32 }, { "ehsize", u16 }, { "phentsize", u16 },
      { "phnum", u16 }, { "shentsize", u16 }, { "shnum", u16 }, { "shstrndx", u16 },
    },
    section = mmap.struct {
      { "name", u32 }, { "type", u32 }, { "flags", A }, { "addr", A }, { "offset", A }, { "size", A },
      { "link", u32 }, { "info", u32 }, { "addralign", A }, { "entsize", A },
    },
    symbol = mmap.struct(symbol),
  }
end

-- A mistake of the file, not of this script: no position in front.
local function fail(format, ...) error(format:format(...), 0) end

-- The symbols of the file as records, and the slice with their names; .symtab or else .dynsym.
local function symbols(b)
  if #b < 16 or b:string(0, 4) ~= "\x7fELF" then fail "not an ELF file" end
  local bits, order = ({ 32, 64 })[b[4]], ({ "le", "be" })[b[5]]
  if not bits or not order then fail("class %d and byte order %d are not known", b[4], b[5]) end
  local layout = layouts(bits, order)
  local header = b:records(layout.header, 0, 1)[0]
  if header.shoff == 0 then fail "there are no sections" end
  local count = header.shnum
  local sections = b:records(layout.section, header.shoff, math.max(count, 1), header.shentsize)
  -- With more sections than fit into 16 bits their number is in the first one.
  if count == 0 then
    sections = b:records(layout.section, header.shoff, sections[0].size, header.shentsize)
  end
  local types = sections:column "type"
  local index = types:find("==", SYMTAB) or types:find("==", DYNSYM)
  if not index then fail "there are no symbols" end
  local table, strings = sections[index], sections[sections[index].link]
  local found = b:records(layout.symbol, table.offset, table.size // table.entsize, table.entsize)
  return found, b:slice(strings.offset, strings.size)
end

local function name(strings, offset)
  local stop = strings:find("\0", offset)
  return strings:string(offset, stop and stop - offset)
end

local function run(path, most)
  local b <close> = mmap.open(path)
  local all, strings = symbols(b)
  local sizes, undefined = all:column "size", all:column "section"
  local order = {}
  -- A symbol of section 0 is defined elsewhere.
  for i, size in sizes:each() do
    if size > 0 and undefined[i] ~= 0 then order[#order + 1] = i end
  end
  table.sort(order, function(i, j)
    local a, c = sizes[i], sizes[j]
    if a ~= c then return a > c end
    return i < j
  end)
  local total = 0
  for k = 1, #order do total = total + sizes[order[k]] end
  print(("%s: %d symbols, %d of them with a size, %d bytes in all"):format(path, #all, #order, total))
  for k = 1, math.min(#order, most) do
    local symbol = all[order[k]]
    local info = symbol.info
    print(("%10d  %016x  %-7s %-6s  %s"):format(symbol.size, symbol.value, TYPES[info & 15] or info & 15,
      BINDINGS[info >> 4] or info >> 4, name(strings, symbol.name)))
  end
end

local most = arg[2] == "all" and math.maxinteger or math.tointeger(tonumber(arg[2] or 20))
if #arg > 2 or not most or most < 1 then
  io.stderr:write "usage: mmaplua elfsyms.lua [FILE [COUNT|all]]\n"
  os.exit(2)
end
local path = arg[1] or "/proc/self/exe"
local ok, problem = pcall(run, path, most)
if not ok then
  problem = tostring(problem)
  io.stderr:write("elfsyms.lua: ", problem:find(path, 1, true) and "" or path .. ": ", problem, "\n")
  os.exit(1)
end

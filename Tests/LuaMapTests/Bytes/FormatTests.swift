import Glibc
import Testing

private func isThere(_ program: String) -> Bool { access("/usr/bin/" + program, X_OK) == 0 }

/// Records of real file formats, against the formats' own programs or against bytes from elsewhere.
@Suite struct FormatTests {
    @Test(.enabled(if: isThere("readelf")))
    func sectionsAndSymbolsOfELF() {
        check(
            """
            local native = string.pack("=I2", 1) == "\\1\\0" and "le" or "be"
            local u16, u32, u64 = "u16" .. native, "u32" .. native, "u64" .. native
            local Header = mmap.struct { {"ident", "bytes[16]"}, {"type", u16}, {"machine", u16}, {"version", u32}, {"entry", u64}, {"phoff", u64},
              {"shoff", u64}, {"flags", u32}, {"ehsize", u16}, {"phentsize", u16}, {"phnum", u16}, {"shentsize", u16}, {"shnum", u16}, {"shstrndx", u16}, align = true }
            local Section = mmap.struct { {"name", u32}, {"type", u32}, {"flags", u64}, {"addr", u64}, {"offset", u64}, {"size", u64}, {"link", u32},
              {"info", u32}, {"addralign", u64}, {"entsize", u64}, align = true }
            local Symbol = mmap.struct { {"name", u32}, {"info", "u8"}, {"other", "u8"}, {"shndx", u16}, {"value", u64}, {"size", u64}, align = true }
            eq(#Header, 64); eq(#Section, 64); eq(#Symbol, 24)
            local function text(b, strings, at)
              local start = strings.offset + at
              return b:string(start, b:find("\\0", start) - start)
            end
            local seen = 0
            local objects = io.popen("ls /usr/lib/*-linux-gnu/crt1.o /usr/lib64/crt1.o 2>/dev/null"):read "l"
            for _, path in ipairs { "/usr/bin/readelf", objects } do
              local b = mmap.open(path)
              local header = b:records(Header, 0, 1)[0]
              if header.ident:sub(1, 5) ~= "\\x7fELF\\2" then return end
              local sections = b:records(Section, header.shoff, header.shnum, header.shentsize)
              local names = sections[header.shstrndx]
              local wanted = {}
              for line in io.popen("readelf -SW " .. path):lines() do
                local n, name, addr, offset, size, entsize = line:match "^%s*%[%s*(%d+)%] (%S+) +%S+ +(%x+) (%x+) (%x+) (%x+)"
                if n then wanted[#wanted + 1] = n; eq(text(b, names, sections[n + 0].name), name)
                  local s = sections[n + 0]
                  eq(s.addr, tonumber(addr, 16)); eq(s.offset, tonumber(offset, 16)); eq(s.size, tonumber(size, 16)); eq(s.entsize, tonumber(entsize, 16)) end
              end
              assert(#wanted >= #sections - 1 and #wanted > 3)
              local tables = {}
              for i, s in sections:each() do if s.type == 2 or s.type == 11 then tables[text(b, names, s.name)] = s end end
              local symbols, strings
              local sum = 0
              for line in io.popen("readelf -sW " .. path):lines() do
                local table = line:match "^Symbol table '(.-)'"
                if table then
                  local s = tables[table]
                  symbols, strings = b:records(Symbol, s.offset, s.size // s.entsize), sections[s.link]
                end
                local n, value, size, name = line:match "^%s*(%d+): (%x+) +(%w+) %S+ +%S+ +%S+ +%S+ ?([^@ ]*)"
                if n then
                  local s = symbols[n + 0]
                  eq(s.value, tonumber(value, 16)); eq(s.size, tonumber(size))
                  if s.info & 15 ~= 3 and #name < 20 then eq(text(b, strings, s.name), name) end
                  seen = seen + 1; sum = sum + s.size
                  if n + 0 == #symbols - 1 then eq(symbols:column("size"):sum(), sum); sum = 0 end
                end
              end
            end
            assert(seen > 20, seen)
            """)
    }

    /// The smallest PNG file.
    @Test func chunksOfPNG() {
        check(
            """
            local hex = "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fcff9fa11e000782027f3dc848ef0000000049454e44ae426082"
            local path = scratch((hex:gsub("..", function(x) return string.char(tonumber(x, 16)) end)))
            local Chunk = mmap.struct { {"length", "u32be"}, {"type", "char[4]"} }
            local Header = mmap.struct { {"width", "u32be"}, {"height", "u32be"}, {"depth", "u8"}, {"color", "u8"}, {"compression", "u8"}, {"filter", "u8"}, {"interlace", "u8"} }
            eq(#Header, 13)
            local b = mmap.open(path)
            local at, types = 8, {}
            while at < #b do
              local c = b:records(Chunk, at, 1)[0]
              types[#types + 1] = c.type
              if c.type == "IHDR" then
                local h = b:records(Header, at + 8, 1)[0]:totable()
                eq(h.width, 1); eq(h.height, 1); eq(h.depth, 8); eq(h.color, 6); eq(h.compression + h.filter + h.interlace, 0)
              end
              eq(b:crc32(at + 4, 4 + c.length), b:get("u32be", at + 8 + c.length), c.type)
              at = at + 12 + c.length
            end
            eq(at, #b); eq(table.concat(types, " "), "IHDR IDAT IEND")
            """)
    }

    @Test(.enabled(if: isThere("tar")))
    func membersOfTar() {
        check(
            """
            local T = mmap.struct { {"name", "char[100]"}, {"mode", "char[8]"}, {"uid", "char[8]"}, {"gid", "char[8]"}, {"size", "char[12]"}, {"mtime", "char[12]"},
              {"chksum", "char[8]"}, {"typeflag", "char"}, {"linkname", "char[100]"}, {"magic", "char[6]"}, {"version", "char[2]"}, {"uname", "char[32]"},
              {"gname", "char[32]"}, {"devmajor", "char[8]"}, {"devminor", "char[8]"}, {"prefix", "char[155]"}, size = 512 }
            eq(T:offset "magic", 257); eq(#T, 512)
            local first, second = scratch "hello", scratch(("x"):rep(1000))
            local archive = scratch()
            assert(os.execute(("tar --format=ustar -cf %s -C /tmp %s %s"):format(archive, first:match "[^/]+$", second:match "[^/]+$")))
            local b = mmap.open(archive)
            local at, sizes, names = 0, {}, {}
            while b[at] ~= 0 do
              local m = b:records(T, at, 1)[0]
              local size = tonumber(m.size:match "%d+", 8)
              eq(m.magic, "ustar"); eq(m.version, "00"); eq(m.typeflag, "0")
              local sum = b:slice(at, 512):view "u8":sum()
              for _, byte in ipairs { m.chksum:byte(1, -1) } do sum = sum - byte end
              eq(tonumber(m.chksum:match "%d+", 8), sum + 8 * 32)
              names[#names + 1] = m.name; sizes[#sizes + 1] = size
              at = at + 512 + (size + 511) // 512 * 512
            end
            eq(sizes[1], 5); eq(sizes[2], 1000); eq("/tmp/" .. names[1], first); eq("/tmp/" .. names[2], second)
            """)
    }

    /// utmp(5) as glibc defines it on 64-bit machines, written by string.pack.
    @Test func loginRecords() {
        check(
            """
            local U = mmap.struct { {"type", "i16"}, {"pid", "i32"}, {"line", "char[32]"}, {"id", "char[4]"}, {"user", "char[32]"}, {"host", "char[256]"},
              {"exit", mmap.struct { {"termination", "i16"}, {"exit", "i16"} }}, {"session", "i32"},
              {"tv", mmap.struct { {"sec", "i32"}, {"usec", "i32"} }}, {"addr_v6", "i32", 4}, {"unused", "char[20]"}, align = true }
            eq(#U, 384); eq(U:offset "pid", 4); eq(U:offset "tv", 340)
            local rows = {}
            for i = 0, 49 do
              rows[#rows + 1] = string.pack("=i2xx i4 c32 c4 c32 c256 i2i2 i4 i4i4 i4i4i4i4 c20", 7, 1000 + i, "pts/" .. i, "ts" .. i % 10, i % 3 == 0 and "root" or "user" .. i,
                "host" .. i .. ".example", 0, i, -i, 1700000000 + i, i * 10, i, 0, 0, 0, "")
            end
            local path = scratch(table.concat(rows))
            local b = mmap.open(path, "r+")
            local r = b:records(U)
            eq(#r, 50)
            for i, u in r:each() do
              eq(u.type, 7); eq(u.pid, 1000 + i); eq(u.line, "pts/" .. i); eq(u.user, i % 3 == 0 and "root" or "user" .. i); eq(u.host, "host" .. i .. ".example")
              eq(u.exit.exit, i); eq(u.session, -i); eq(u.tv.sec, 1700000000 + i); eq(u.tv.usec, i * 10); eq(u.addr_v6[0], i)
            end
            eq(r:column("tv"):column("sec"):max(), 1700000049); eq(r:column("pid"):sum(), 50 * 1000 + 49 * 25)
            eq(r:column("addr_v6", 0):argmax(), 49); eq(r:column("session"):min(), -49)
            r[7].user = "gone"; r[7].tv.usec = 999999; b:sync()
            eq(contents(path):sub(7 * 384 + 1, 8 * 384), (string.pack("=i2xx i4 c32 c4 c32 c256 i2i2 i4 i4i4 i4i4i4i4 c20", 7, 1007, "pts/7", "ts7", "gone",
              "host7.example", 0, 7, -7, 1700000007, 999999, 7, 0, 0, 0, "")))
            """)
    }

    @Test func imagesAndSound() {
        check(
            """
            -- A BMP of 3 times 2 pixels, 24 bits, rows padded to 4 bytes, the bottom row first.
            local File = mmap.struct { {"type", "char[2]"}, {"size", "u32le"}, {"reserved", "u16le", 2}, {"offset", "u32le"} }
            local Info = mmap.struct { {"size", "u32le"}, {"width", "i32le"}, {"height", "i32le"}, {"planes", "u16le"}, {"bits", "u16le"}, {"compression", "u32le"},
              {"image", "u32le"}, {"x", "i32le"}, {"y", "i32le"}, {"used", "u32le"}, {"important", "u32le"} }
            local Pixel = mmap.struct { {"b", "u8"}, {"g", "u8"}, {"r", "u8"} }
            eq(#File, 14); eq(#Info, 40)
            local b = mmap.open(scratch("BM" .. string.pack("<I4 I4 I4 I4 i4 i4 I2 I2 I4 I4 i4 i4 I4 I4", 78, 0, 54, 40, 3, 2, 1, 24, 0, 24, 0, 0, 0, 0) ..
              "\\1\\2\\3\\4\\5\\6\\7\\8\\9\\0\\0\\0\\11\\12\\13\\14\\15\\16\\17\\18\\19\\0\\0\\0"))
            local file = b:records(File, 0, 1)[0]
            local info = b:records(Info, #File, 1)[0]
            eq(file.type, "BM"); eq(file.size, #b); eq(file.reserved[1], 0); eq(info.width, 3); eq(info.height, 2); eq(info.bits, 24)
            local stride = (info.width * 3 + 3) // 4 * 4
            local Row = mmap.struct { {"pixels", Pixel, info.width}, size = stride }
            local rows = b:records(Row, file.offset, info.height)
            eq(rows[0].pixels[2].r, 9); eq(rows[1].pixels[0].b, 11); eq(rows[1].pixels[2].g, 18); eq(#rows[0].pixels, 3)
            eq(table.concat(rows:column("pixels", 1):column("g"):totable(), " "), "5 15")

            -- A WAV: chunks after each other, samples of two channels.
            local Chunk = mmap.struct { {"id", "char[4]"}, {"size", "u32le"} }
            local Format = mmap.struct { {"tag", "u16le"}, {"channels", "u16le"}, {"rate", "u32le"}, {"bytes", "u32le"}, {"frame", "u16le"}, {"bits", "u16le"} }
            local sound = mmap.open(scratch("RIFF" .. string.pack("<I4", 52) .. "WAVEfmt " .. string.pack("<I4 I2 I2 I4 I4 I2 I2", 16, 1, 2, 8000, 32000, 4, 16)
              .. "LIST" .. string.pack("<I4", 3) .. "abc\\0" .. "data" .. string.pack("<I4 i2i2i2i2", 8, 100, -5, 200, -32768)))
            local found, at = {}, 12
            while at < #sound do
              local c = sound:records(Chunk, at, 1)[0]
              found[c.id] = at + 8; at = at + 8 + c.size + c.size % 2
            end
            eq(at, #sound)
            local format = sound:records(Format, found["fmt "], 1)[0]
            eq(format.channels, 2); eq(format.rate, 8000); eq(format.bits, 16)
            local right = sound:view("i16le", found.data + 2, nil, format.frame)
            eq(#right, 2); eq(right:min(), -32768); eq(right:max(), -5)
            """)
    }
}

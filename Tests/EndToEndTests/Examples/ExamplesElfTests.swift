import Glibc
import Testing

private let readelf = Program(path: "/usr/bin/readelf")
private let script = "\(packageRoot)/examples/elf.lua"

/// A small ELF file of either class and byte order: a header, two program headers, a name, three sections.
private struct SmallElf {
    var is64: Bool
    var isBig: Bool
    var bytes: [UInt8] = []

    private mutating func put(_ value: UInt64, _ size: Int) {
        for index in 0..<size {
            let shift = UInt64(8 * (isBig ? size - 1 - index : index))
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// Numbers of the format: 2 bytes, 4 bytes, and those as wide as an address.
    private mutating func half(_ values: UInt64...) { for value in values { put(value, 2) } }
    private mutating func word(_ values: UInt64...) { for value in values { put(value, 4) } }
    private mutating func address(_ values: UInt64...) { for value in values { put(value, is64 ? 8 : 4) } }

    private mutating func segment(_ type: UInt64, _ flags: UInt64, at offset: UInt64, size: UInt64) {
        word(type)
        if is64 { word(flags) }
        address(offset, 0x10000 + offset, 0x10000 + offset, size, size + 1)
        if !is64 { word(flags) }
        address(16)
    }

    private mutating func section(
        _ name: UInt64, _ type: UInt64, _ flags: UInt64, at offset: UInt64, size: UInt64, align: UInt64
    ) {
        word(name, type)
        address(flags, flags == 0 ? 0 : 0x10000 + offset, offset, size)
        word(0, 0)
        address(align, 0)
    }

    init(is64: Bool, isBig: Bool) {
        self.is64 = is64
        self.isBig = isBig
        let (header, program, section): (UInt64, UInt64, UInt64) = is64 ? (64, 56, 64) : (52, 32, 40)
        let names = Array("\0.text\0.shstrtab\0".utf8)
        let path = Array("/lib/ld.so\0".utf8)
        let atPath = header + 2 * program
        let atNames = atPath + UInt64(path.count)
        let atSections = atNames + UInt64(names.count)

        bytes = [0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, isBig ? 2 : 1, 1, 0] + [UInt8](repeating: 0, count: 8)
        half(2, isBig ? 8 : 40)
        word(1)
        address(0x10040, header, atSections)
        word(0x7000)
        half(header, program, 2, section, 3, 2)
        segment(3, 4, at: atPath, size: UInt64(path.count))
        segment(1, 5, at: 0, size: atNames)
        bytes += path + names
        self.section(0, 0, 0, at: 0, size: 0, align: 0)
        self.section(1, 1, 6, at: 0, size: atPath, align: 16)
        self.section(7, 3, 0, at: atNames, size: UInt64(names.count), align: 1)
    }
}

/// The part of the output that must be the same in both programs: a row per program header and per section.
private struct Tables: Equatable {
    var segments: [[String]] = []
    var sections: [[String]] = []

    private static func hex(_ text: Substring) -> String {
        let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text
        return UInt64(digits, radix: 16).map { String($0, radix: 16) } ?? String(text)
    }

    /// Parses the output of `readelf -lSW`.
    init(readelf output: String) {
        for line in output.split(separator: "\n") {
            if line.hasPrefix("  ["), let end = line.firstIndex(of: "]") {
                let digits = line[line.index(line.startIndex, offsetBy: 3)..<end]
                guard let number = Int(digits.filter { $0 != " " }) else { continue }
                var cells = line[line.index(after: end)...].split(separator: " ")
                if number == 0 { cells.insert("", at: 0) }
                guard cells.count >= 9 else { continue }
                let name = cells[0].utf8.count > 18 ? cells[0].prefix(17) + "~" : cells[0]
                let type = cells[1] == "X86_64_UNWIND" ? "UNWIND" : cells[1]
                sections.append(
                    ["\(number)", String(name), String(type)] + cells[2...5].map(Self.hex)
                        + (cells.count > 9 ? [String(cells[6])] : []) + cells.suffix(3).map { String($0) })
            } else {
                let cells = line.split(separator: " ")
                guard cells.count >= 7, cells[1].hasPrefix("0x"), cells[2].hasPrefix("0x") else { continue }
                let numbers = [cells[1], cells[2], cells[4], cells[5]].map(Self.hex)
                segments.append([String(cells[0])] + numbers + [cells[6...].dropLast().joined()])
            }
        }
    }

    /// Parses the output of the example.
    init(example output: String) {
        let parts = output.split(separator: "\n\n")
        for line in parts.dropFirst().first?.split(separator: "\n").dropFirst(2) ?? [] {
            let cells = line.split(separator: " ")
            guard cells.count > 5 else { continue }
            segments.append(cells.prefix(5).map { String($0) } + [cells[5...].dropLast().joined()])
        }
        for line in parts.dropFirst(2).first?.split(separator: "\n").dropFirst(2) ?? [] {
            var cells = line.split(separator: " ").map { String($0) }
            if cells.first == "0" { cells.insert("", at: 1) }
            sections.append(cells)
        }
    }
}

@Suite
struct ExamplesElfTests {
    private func elf(_ path: String) throws -> Outcome { try Program.mmaplua.run([script, path]) }

    private func expectSame(_ path: String) throws {
        let expected = Tables(
            readelf: try readelf.run(["-lSW", path], environment: ["LC_ALL": "C"]).output)
        #expect(expected.sections.count > 2)
        let outcome = try elf(path)
        #expect(outcome.ending == .status(0), "\(outcome.errors)")
        let found = Tables(example: outcome.output)
        #expect(found.segments == expected.segments)
        #expect(found.sections == expected.sections)
    }

    @Test(.enabled(if: readelf.exists), arguments: [Program.mmaplua.path, "/bin/sh", "/usr/bin/readelf"])
    func `real programs as in readelf`(path: String) throws {
        try expectSame(path)
    }

    @Test(.enabled(if: readelf.exists), arguments: [false, true], [false, true])
    func `both sizes and both orders as in readelf`(is64: Bool, isBig: Bool) throws {
        let folder = try TemporaryFolder()
        let file = SmallElf(is64: is64, isBig: isBig)
        let path = folder.path + "/f"
        try write(file.bytes, to: path)
        try expectSame(path)
    }

    @Test(arguments: [false, true], [false, true])
    func `both sizes and both orders`(is64: Bool, isBig: Bool) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/f"
        try write(SmallElf(is64: is64, isBig: isBig).bytes, to: path)
        let outcome = try elf(path)
        let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
        #expect(outcome.ending == .status(0), "\(outcome.errors)")
        #expect(
            lines.prefix(3) == [
                path,
                "  ELF\(is64 ? 64 : 32), \(isBig ? "big" : "little")-endian, EXEC (executable), "
                    + "for \(isBig ? "MIPS" : "ARM")",
                "  system UNIX - System V, entry 0x10040, flags 0x7000",
            ])
        #expect(lines.contains("  interpreter /lib/ld.so"))
        #expect(lines.contains { $0.hasPrefix("  INTERP ") && $0.hasSuffix(" R        10") })
        #expect(lines.contains { $0.hasPrefix("   2 .shstrtab STRTAB ") })
    }

    @Test func `a program's table fits a terminal`() throws {
        for line in try elf(Program.mmaplua.path).output.split(separator: "\n").dropFirst() {
            #expect(line.count <= 80, "\(line)")
        }
    }

    @Test(arguments: [
        ("", "not an ELF file"), ("\u{7f}EL", "not an ELF file"), ("plain text", "not an ELF file"),
        ("\u{7f}ELF", "identification: 0x10 bytes at offset 0x0 reach past the end of the file at 0x4"),
        ("\u{7f}ELF\u{3}\u{1}\u{1}000000000", "class 3 is neither 1 (32 bits) nor 2 (64 bits)"),
        ("\u{7f}ELF\u{2}\u{3}\u{1}000000000", "encoding 3 is neither 1 (little-endian) nor 2 (big-endian)"),
        ("\u{7f}ELF\u{2}\u{1}\u{2}000000000", "version 2 is not 1"),
        (
            "\u{7f}ELF\u{2}\u{1}\u{1}000000000",
            "header: 0x30 bytes at offset 0x10 reach past the end of the file at 0x10"
        ),
    ])
    func `files that are not ELF`(text: String, problem: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("f", text)
        #expect(
            try elf(path)
                == Outcome(output: "", errors: "elf.lua: \(path): \(problem)\n", ending: .status(1)))
    }

    /// If the header's 16 bits are too few, the number of sections is the size field of section 0.
    @Test func `more sections than the header can count`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/f"
        var bytes = SmallElf(is64: true, isBig: false).bytes
        bytes[60] = 0
        let size = bytes.count - 3 * 64 + 32
        for (count, problem) in [
            ([3, 0, 0, 0, 0, 0, 0, 0], nil),
            ([0, 0, 2, 0, 0, 0, 0, 0], "sections: 0x800000 bytes at offset "),
            ([1, 0, 2, 0, 0, 0, 0, 0], "sections: 0x20001 of them are more than this example shows"),
            ([0, 0, 0, 0, 0, 0, 0, 0x80], "sections: 0x8000000000000000 of them are more than"),
            ([1, 0, 0, 0, 0, 0, 0, 0xff], "sections: 0xff00000000000001 of them are more than"),
        ] as [([UInt8], String?)] {
            bytes.replaceSubrange(size..<size + 8, with: count)
            try write(bytes, to: path)
            let outcome = try elf(path)
            #expect(outcome.ending == .status(problem == nil ? 0 : 1))
            if let problem {
                #expect(outcome.errors.hasPrefix("elf.lua: \(path): \(problem)"), "\(outcome.errors)")
            } else {
                #expect(outcome.output.contains("\nSections: 3 at offset "))
            }
        }
    }

    /// Loads the example many times, with its exit and output replaced: for a file truncated at every length, and for
    /// thousands of files with a few bytes changed. It must print its result or one error of its own, never a Lua
    /// error, which would contain a position in the script.
    @Test(arguments: [false, true], [false, true])
    func `broken files cause only errors of the example`(is64: Bool, isBig: Bool) throws {
        let folder = try TemporaryFolder()
        let file = SmallElf(is64: is64, isBig: isBig)
        try write(file.bytes, to: folder.path + "/whole")
        let fuzz = try folder.file("fuzz.lua", fuzzer)
        let outcome = try Program.mmaplua.run([fuzz, script, folder.path + "/whole", folder.path + "/broken"])
        #expect(outcome.errors == "")
        #expect(outcome.ending == .status(0), "\(outcome.output)")
        let counts = outcome.output.split(whereSeparator: { $0 == "\t" || $0 == "\n" }).compactMap { Int($0) }
        #expect(counts.count == 2)
        // Both results must occur often, or the test tests nothing.
        #expect(counts.allSatisfy { $0 > 100 }, "\(counts)")
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = fopen(path, "w") else { throw SystemFailure("fopen") }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw SystemFailure("fwrite") }
    }
}

private let fuzzer = #"""
    local script, source, work = table.unpack(arg)
    local whole = assert(io.open(source, "rb")):read "a"
    local code = assert(loadfile(script))
    local good, bad = 0, 0

    local function try(what, bytes)
      local f <close> = assert(io.open(work, "wb"))
      f:write(bytes)
      f:close()
      local said, status, left = {}, nil, {}
      debug.setupvalue(code, 1, setmetatable({
        arg = { work },
        print = function() end,
        io = { stderr = { write = function(_, ...) said[#said + 1] = table.concat { ... } end } },
        os = { exit = function(n) status = n error(left) end },
      }, { __index = _G }))
      local ok, e = pcall(code)
      local text, start = table.concat(said), "elf.lua: " .. work .. ": "
      if ok and text == "" then
        good = good + 1
      elseif e == left and status == 1 and text:sub(1, #start) == start and text:find "^[^\n]*\n$"
        and not text:find("%.lua:%d") then
        bad = bad + 1
      else
        print(what, ok, e, status, text)
        os.exit(1)
      end
    end

    for n = 0, #whole - 1 do try("cut at " .. n, whole:sub(1, n)) end
    math.randomseed(1)
    local odd = {
      "\0", "\1", "\x7f", "\x80", "\xff", "\xff\xff", ("\xff"):rep(8), ("\0"):rep(7) .. "\x80",
      "\x80" .. ("\0"):rep(7),
    }
    for i = 1, 3000 do
      local s = whole
      for _ = 1, math.random(3) do
        local at, o = math.random(5, #whole), odd[math.random(#odd)]
        s = (s:sub(1, at - 1) .. o .. s:sub(at + #o)):sub(1, #whole)
      end
      try("change " .. i, s)
    end
    print(good, bad)
    """#

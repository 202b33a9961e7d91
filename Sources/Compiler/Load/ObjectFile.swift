internal import CCompiler

/// An object file of ELF for x86-64, made ready to run: its sections in one block, its references filled in.
struct ObjectFile {
    /// The block: code first, then constants, then the addresses of functions that the code calls.
    private(set) var image: [UInt8] = []
    /// Where the function is in the block, and the bytes of code.
    private(set) var entry = 0
    private(set) var codeCount = 0

    private struct Section {
        var type, offset, size, link, info: Int
        var flags: Int
        var alignment, entrySize: Int
    }
    private struct Bytes {
        let all: [UInt8]
        func number(_ offset: Int, _ size: Int) throws(Reason) -> Int {
            guard offset >= 0, offset <= all.count - size else { throw ObjectFile.bad }
            var value: UInt64 = 0
            for index in (0..<size).reversed() { value = value << 8 | UInt64(all[offset + index]) }
            return Int(truncatingIfNeeded: value)
        }
    }
    private static let bad = Reason("LLVM's object file has something that the loader does not know")
    /// Bytes of a jump to an address that follows it.
    private static let stubCount = 16

    private let bytes: Bytes
    private var sections: [Section] = []
    /// Where each section is in the block; nil for those that are not needed.
    private var places: [Int?] = []
    private var stubs: [String: Int] = [:]

    init(_ object: [UInt8]) throws(Reason) {
        bytes = Bytes(all: object)
        guard object.count > 64, object[0..<4] == [0x7f, 0x45, 0x4c, 0x46], try bytes.number(18, 2) == 62
        else {
            throw ObjectFile.bad
        }
        try readSections()
        try place()
        for section in sections where section.type == 4 {
            guard sections.indices.contains(section.info), let target = places[section.info] else { continue }
            try relocate(section, target)
        }
    }

    private mutating func readSections() throws(Reason) {
        let table = try bytes.number(40, 8)
        for index in 0..<(try bytes.number(60, 2)) {
            let at = table + index * 64
            let section = Section(
                type: try bytes.number(at + 4, 4), offset: try bytes.number(at + 24, 8),
                size: try bytes.number(at + 32, 8), link: try bytes.number(at + 40, 4),
                info: try bytes.number(at + 44, 4), flags: try bytes.number(at + 8, 8),
                alignment: try bytes.number(at + 48, 8), entrySize: try bytes.number(at + 56, 8))
            sections.append(section)
        }
    }

    /// Sections that are loaded: code, then constants. There must be none that is written.
    private mutating func place() throws(Reason) {
        places = Array(repeating: nil, count: sections.count)
        for wantsCode in [true, false] {
            for (index, section) in sections.enumerated() {
                let isLoaded = section.flags & 2 != 0 && section.type == 1 && section.size > 0
                guard isLoaded, (section.flags & 4 != 0) == wantsCode else { continue }
                guard section.flags & 1 == 0, section.alignment <= 4096, section.offset >= 0,
                    section.size >= 0,
                    section.offset <= bytes.all.count - section.size
                else { throw ObjectFile.bad }
                align(max(section.alignment, 1))
                places[index] = image.count
                image += bytes.all[section.offset..<section.offset + section.size]
            }
            if wantsCode { codeCount = image.count }
        }
        align(16)
        guard let symbols = sections.first(where: { $0.type == 2 }) else { throw ObjectFile.bad }
        for index in 0..<symbols.size / 24 {
            let symbol = try self.symbol(index, symbols)
            if symbol.name == "lua_function", let place = symbol.place { entry = place }
        }
    }

    private mutating func align(_ alignment: Int) { while image.count % alignment != 0 { image.append(0) } }

    private func symbol(_ index: Int, _ table: Section) throws(Reason) -> (name: String, place: Int?) {
        let at = table.offset + index * 24
        guard sections.indices.contains(table.link), index >= 0, index < table.size / 24 else {
            throw ObjectFile.bad
        }
        var name: [UInt8] = []
        var position = sections[table.link].offset + (try bytes.number(at, 4))
        while true {
            let byte = try bytes.number(position, 1)
            if byte == 0 { break }
            name.append(UInt8(byte))
            position += 1
        }
        let section = try bytes.number(at + 6, 2)
        let value = try bytes.number(at + 8, 8)
        let place = places.indices.contains(section) ? places[section].map { $0 + value } : nil
        return (String(decoding: name, as: UTF8.self), place)
    }

    private mutating func relocate(_ section: Section, _ target: Int) throws(Reason) {
        guard sections.indices.contains(section.link) else { throw ObjectFile.bad }
        for index in 0..<section.size / 24 {
            let at = section.offset + index * 24
            let place = target + (try bytes.number(at, 8))
            let info = try bytes.number(at + 8, 8)
            let addend = try bytes.number(at + 16, 8)
            let symbol = try symbol(info >> 32, sections[section.link])
            switch info & 0xffff_ffff {
            case 2, 4:  // R_X86_64_PC32, R_X86_64_PLT32
                var destination = symbol.place ?? 0
                if symbol.place == nil { destination = try stub(symbol.name) }
                try put(destination + addend - place, at: place)
            case 9, 41, 42:
                // R_X86_64_GOTPCREL, GOTPCRELX, REX_GOTPCRELX: the address after the jump of a stub.
                try put(try stub(symbol.name) + 8 + addend - place, at: place)
            default: throw ObjectFile.bad
            }
        }
    }

    private mutating func put(_ distance: Int, at place: Int) throws(Reason) {
        guard let short = Int32(exactly: distance), image.indices.contains(place), place + 4 <= image.count
        else {
            throw ObjectFile.bad
        }
        for index in 0..<4 { image[place + index] = UInt8(truncatingIfNeeded: short >> (8 * Int32(index))) }
    }

    /// A jump to a function of helpers.c, which may be too far away for a call.
    private mutating func stub(_ name: String) throws(Reason) -> Int {
        if let known = stubs[name] { return known }
        guard let address = mc_helper(name) else {
            throw Reason("LLVM calls \(name), which the loader does not know")
        }
        let place = image.count
        image += [0xff, 0x25, 2, 0, 0, 0, 0x66, 0x90]
        let number = UInt(bitPattern: address)
        for shift in stride(from: 0, to: 64, by: 8) {
            image.append(UInt8(truncatingIfNeeded: number >> UInt(shift)))
        }
        stubs[name] = place
        return place
    }
}

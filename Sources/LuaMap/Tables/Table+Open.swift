internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap
internal import Tables

/// `mmap.table(source [, options])`. [-0, +0, –] never raises. The new table is at `LM_TABLE_TARGET`.
@implementation @c
func lm_table_open(_ L: LuaState, _ outcome: Outcome, _ options: UnsafePointer<lm_table_options>) -> CInt {
    respondTable(outcome) { () throws(TableError) in
        let arguments = TableArguments(L)
        let (run, _) = LuaRun.make(L, keep: CInt(LM_TABLE_KEEP))
        let source = try arguments.source(options.pointee, run)
        try fill(L, CInt(LM_TABLE_TARGET), Table(source))
        return 1
    }
}

/// The kinds of sources, which have different options.
private enum SourceKind: Equatable {
    case delimited(separator: [UInt8])
    case jsonLines
    case lines

    init(format: Int32) {
        switch Int(format) {
        case LM_CSV: self = .delimited(separator: [UInt8(ascii: ",")])
        case LM_TSV: self = .delimited(separator: [UInt8(ascii: "\t")])
        case LM_JSONL: self = .jsonLines
        default: self = .lines
        }
    }

    /// The format of the name of a file, without `.gz` or `.zst`.
    init?(path: [UInt8]) {
        var name = path.lowercased
        if name.hasSuffix(".gz") { name.removeLast(3) }
        if name.hasSuffix(".zst") { name.removeLast(4) }
        if name.hasSuffix(".csv") {
            self = .init(format: Int32(LM_CSV))
        } else if name.hasSuffix(".tsv") {
            self = .init(format: Int32(LM_TSV))
        } else if name.hasSuffix(".jsonl") {
            self = .jsonLines
        } else if name.hasSuffix(".lines") {
            self = .lines
        } else {
            return nil
        }
    }

    var name: String {
        switch self {
        case .delimited: "delimited text"
        case .jsonLines: "JSON lines"
        case .lines: "lines"
        }
    }
}

extension [UInt8] {
    /// With the letters of ASCII in lower case.
    fileprivate var lowercased: [UInt8] { map { $0 >= 65 && $0 <= 90 ? $0 | 32 : $0 } }

    fileprivate func hasSuffix(_ suffix: StaticString) -> Bool {
        let length = suffix.utf8CodeUnitCount
        return count > length && (0..<length).allSatisfy { self[count - length + $0] == suffix.utf8Start[$0] }
    }
}

/// The options that were given, besides `columns`, by name.
private struct GivenOptions {
    var names: Set<String> = []

    init(_ options: lm_table_options, _ arguments: TableArguments) {
        let flags: [(String, Bool)] = [
            ("header", options.has_header), ("csv", options.has_csv), ("merge", options.merge),
            ("lazyquotes", options.lazyquotes), ("skipblank", options.skipblank),
            ("sep", options.has_separator),
            ("comment", options.has_comment), ("offset", options.has_offset), ("length", options.has_length),
            ("format", options.format != Int32(LM_NO_FORMAT)), ("bad", options.bad != Int32(LM_BAD_ERROR)),
            ("null", !arguments.isAbsent(CInt(LM_TABLE_NULL))),
            ("pattern", !arguments.isAbsent(CInt(LM_TABLE_PATTERN))),
            ("quote", !arguments.isAbsent(CInt(LM_TABLE_QUOTE))),
            ("escape", !arguments.isAbsent(CInt(LM_TABLE_ESCAPE))),
            ("decimal", !arguments.isAbsent(CInt(LM_TABLE_DECIMAL))),
        ]
        for (name, isGiven) in flags where isGiven { names.insert(name) }
    }

    /// - Throws: If one is given that is none of the known ones.
    func require(_ known: Set<String>, for what: String) throws(TableError) {
        guard let other = names.subtracting(known).min() else { return }
        throw TableError("option '\(other)' does not go with \(what)")
    }
}

extension TableArguments {
    /// The source that the arguments of `mmap.table` name.
    fileprivate func source(_ options: lm_table_options, _ run: Run) throws(TableError) -> Source {
        let given = GivenOptions(options, self)
        let source = CInt(LM_TABLE_SOURCE)
        let parts = CInt(LM_TABLE_PARTS)
        if let records = lm_records_at(state, source) {
            try given.require([], for: "records")
            return try ElementsSource(
                try fields(MappedRecords(records.pointee.records)), try requests(nil), kind: "records")
        }
        if lua_type(state, source) == LUA_TTABLE, !(try isPaths()) {
            try given.require([], for: "views")
            let views = try self.views()
            return try ElementsSource(views, try requests(views.map { $0.name }), kind: "views")
        }
        var paths = try list(parts)
        if lm_buffer_at(state, source) == nil, paths == nil { paths = [try bytes(source)] }
        return try text(paths, options, given, run)
    }

    /// Whether the list of parts is one of paths.
    private func isPaths() throws(TableError) -> Bool {
        var isPaths = true
        try forEach(CInt(LM_TABLE_PARTS)) { (_) throws(TableError) in
            if lua_type(state, -1) != LUA_TSTRING { isPaths = false }
        }
        return isPaths
    }

    /// The names and views in the list of parts.
    private func views() throws(TableError) -> [(name: [UInt8], values: ElementsSource.Values)] {
        var views: [(name: [UInt8], values: ElementsSource.Values)] = []
        var name: [UInt8] = []
        try forEach(CInt(LM_TABLE_PARTS)) { (_) throws(TableError) in
            if let text = optionalBytes(-1) {
                name = text
            } else if let view = lm_view_at(state, -1) {
                let elements = try mapped { () throws(MapError) in
                    try MappedElements(view.pointee.elements).slice(0)
                }
                views.append((name, .numbers(elements)))
            }
        }
        return views.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    /// The fields of records that can be columns: numbers and strings.
    private func fields(
        _ records: MappedRecords
    ) throws(TableError) -> [(name: [UInt8], values: ElementsSource.Values)] {
        var columns: [(name: [UInt8], values: ElementsSource.Values)] = []
        var name: [UInt8] = []
        try forEach(CInt(LM_TABLE_PARTS)) { (_) throws(TableError) in
            if let text = optionalBytes(-1) {
                name = text
                return
            }
            let field = mm_field(truncatingIfNeeded: lua_tointegerx(state, -1, nil))
            let offset = mm_field_offset(field)
            let values: ElementsSource.Values? = try mapped { () throws(MapError) in
                switch Int(mm_field_kind(field)) {
                case MM_NUMBER:
                    .numbers(try records.column(ElementType(code: mm_field_type(field)), at: offset))
                case MM_CHARACTERS:
                    .strings(try records.column(offset, max(1, mm_field_count(field))), trims: true)
                case MM_BYTES:
                    .strings(try records.column(offset, max(1, mm_field_count(field))), trims: false)
                default: nil
                }
            }
            if let values { columns.append((name, values)) }
        }
        if columns.isEmpty { throw TableError("the records have no field that is a number or a string") }
        return columns
    }

    /// The source of text: files, or the buffer at 1.
    private func text(
        _ paths: [[UInt8]]?, _ options: lm_table_options, _ given: GivenOptions, _ run: Run
    ) throws(TableError) -> Source {
        let kind = try kind(paths, options, given)
        let ranges: Set<String> = paths == nil ? ["offset", "length"] : []
        switch kind {
        case .delimited(let separator):
            let known: Set<String> = [
                "format", "header", "csv", "merge", "lazyquotes", "skipblank", "sep", "comment", "bad",
                "null",
                "quote", "escape", "decimal",
            ]
            try given.require(known.union(ranges), for: kind.name)
            let format = try delimitedFormat(separator, options, given)
            return try DelimitedSource(try files(paths, options, run), format, try requests(nil), run)
        case .jsonLines:
            try given.require(ranges.union(["format", "bad", "null"]), for: kind.name)
            return try JSONLinesSource(
                try files(paths, options, run), try requests(nil),
                nulls: try list(CInt(LM_TABLE_NULL)) ?? [[]],
                bad: bad(options), run)
        case .lines:
            let known: Set<String> = [
                "format", "header", "skipblank", "comment", "bad", "null", "pattern", "decimal",
            ]
            try given.require(known.union(ranges), for: kind.name)
            var pattern: LinePattern?
            if let source = optionalBytes(CInt(LM_TABLE_PATTERN)) {
                pattern = try LinePattern(
                    source, PatternOptions(letters: optionalBytes(CInt(LM_TABLE_FLAGS)) ?? []),
                    steps: options.steps > 0 ? options.steps : nil)
            }
            let format = try delimitedFormat([], options, given)
            return try LinesSource(try files(paths, options, run), format, pattern, try requests(nil), run)
        }
    }

    /// By the options, else by the names of the files.
    private func kind(
        _ paths: [[UInt8]]?, _ options: lm_table_options, _ given: GivenOptions
    ) throws(TableError) -> SourceKind {
        if options.format != Int32(LM_NO_FORMAT) { return SourceKind(format: options.format) }
        if given.names.contains("pattern") { return .lines }
        if given.names.contains("sep") { return SourceKind(format: Int32(LM_CSV)) }
        // Of a buffer the trampoline has pushed the path of the file, if there is one.
        let names = paths ?? optionalBytes(CInt(LM_TABLE_PARTS)).map { [$0] } ?? []
        guard let first = names.first, let kind = SourceKind(path: first) else {
            let name = names.first.map { "'\(shown($0))'" } ?? "a buffer without a file"
            throw TableError(
                "the format of \(name) is not known by its extension: name it .csv, .tsv, .jsonl or .lines (.gz or .zst may follow), or give format = \"csv\", \"tsv\", \"jsonl\" or \"lines\", sep for other separators, or pattern for lines"
            )
        }
        for name in names.dropFirst() where SourceKind(path: name) != kind {
            throw TableError("'\(shown(first))' and '\(shown(name))' have different formats: give format")
        }
        return kind
    }

    private func files(
        _ paths: [[UInt8]]?, _ options: lm_table_options, _ run: Run
    ) throws(TableError) -> [TextFile] {
        guard let paths else {
            return try mapped { () throws(MapError) in
                let bytes = try Arguments(state).bytes(CInt(LM_TABLE_SOURCE))
                if !options.has_offset && !options.has_length {
                    let path = optionalBytes(CInt(LM_TABLE_PARTS)) ?? []
                    return [TextFile(bytes.region, compression(of: path))]
                }
                let length = options.has_length ? Int(options.length) : nil
                let part = try about(0) { () throws(MapError) in try bytes.slice(Int(options.offset), length)
                }
                return [TextFile(part.region)]
            }
        }
        var files: [TextFile] = []
        for path in paths {
            files.append(try TextFile(path: path, compression(of: path)))
        }
        return files
    }

    private func compression(of path: [UInt8]) -> CompressedFormat? {
        let name = path.lowercased
        return name.hasSuffix(".gz") ? .gzip : name.hasSuffix(".zst") ? .zstd : nil
    }

    private func delimitedFormat(
        _ separator: [UInt8], _ options: lm_table_options, _ given: GivenOptions
    ) throws(TableError) -> DelimitedFormat {
        var format = DelimitedFormat(separator: options.has_separator ? options.separator.array : separator)
        format.comment = options.has_comment ? options.comment.array : []
        format.merges = options.merge
        format.isLazy = options.lazyquotes
        format.skipsBlank = options.skipblank
        format.hasHeader = options.has_header ? options.header : nil
        format.bad = bad(options)
        format.nulls = try list(CInt(LM_TABLE_NULL)) ?? [[]]
        if let quote = optionalBytes(CInt(LM_TABLE_QUOTE))?.first { format.quote = quote }
        format.escape = optionalBytes(CInt(LM_TABLE_ESCAPE))?.first
        if let point = optionalBytes(CInt(LM_TABLE_DECIMAL))?.first { format.point = point }
        let isPlain = options.has_csv && !options.csv
        let quoting: Set<String> = ["quote", "escape", "lazyquotes"]
        if isPlain || options.merge, let other = given.names.intersection(quoting).min() {
            throw TableError("option '\(other)' does not go with \(isPlain ? "csv = false" : "merge")")
        }
        if options.merge && options.has_csv && options.csv {
            throw TableError("option 'merge' does not go with 'csv'")
        }
        if isPlain { format.quote = nil }
        if isNumeral(format.point) || format.separator.contains(format.point) {
            throw TableError("option 'decimal' is a part of numbers already, or of the separator")
        }
        return format
    }

    /// Whether a byte is in numbers anyway, so that it cannot be their decimal point.
    private func isNumeral(_ byte: UInt8) -> Bool {
        isalnum(Int32(byte)) != 0 || isspace(Int32(byte)) != 0 || byte == UInt8(ascii: "+")
            || byte == UInt8(ascii: "-")
    }

    private func bad(_ options: lm_table_options) -> BadValues {
        switch Int(options.bad) {
        case LM_BAD_NIL: .null
        case LM_BAD_SKIP: .skip
        default: .error
        }
    }

    // MARK: - The option `columns`

    /// The columns that are asked for; nil if the option is not given.
    ///
    /// - Parameter names: Names that exist; an entry that is one of them has no type.
    private func requests(_ names: [[UInt8]]?) throws(TableError) -> [ColumnRequest]? {
        guard let entries = try list(CInt(LM_TABLE_COLUMNS)) else { return nil }
        if entries.isEmpty {
            throw TableError(MapError("option 'columns': the list is empty", argument: 2))
        }
        var requests: [ColumnRequest] = []
        for entry in entries {
            requests.append(names?.contains(entry) == true ? ColumnRequest(entry) : try request(entry))
        }
        return requests
    }

    /// `"city string"`, `"event time time:%d/%b/%Y %H:%M"`, or a name alone.
    private func request(_ entry: [UInt8]) throws(TableError) -> ColumnRequest {
        let entry = entry.trimmed
        if entry.isEmpty { throw TableError(MapError("option 'columns': a name is empty", argument: 2)) }
        if let (name, word) = entry.cutAtLastBlank {
            if let type = ColumnType.allCases.first(where: { word.elementsEqual("\($0.name)".utf8) }) {
                return ColumnRequest(name, type)
            }
        }
        // A format may contain blanks.
        let mark = Array(" time:".utf8)
        for place in 1..<max(2, entry.count) where entry[place...].starts(with: mark) {
            return ColumnRequest(
                Array(entry[..<place]).trimmed, .time, format: Array(entry[(place + mark.count)...]))
        }
        if let (_, word) = entry.cutAtLastBlank, let meant = ColumnType.likely(word) {
            throw TableError(
                "option 'columns': '\(shown(word))' in '\(shown(entry))' is no type; did you mean '\(meant)'?"
            )
        }
        return ColumnRequest(entry)
    }
}

extension ColumnType {
    /// The type that a word is a misspelling of, or the name of in other languages.
    fileprivate static func likely(_ word: [UInt8]) -> String? {
        let text = String(decoding: word.lowercased, as: UTF8.self)
        let others: [String: ColumnType] = [
            "str": .string, "text": .string, "float": .number, "double": .number, "f64": .number,
            "real": .number,
            "int": .integer, "i64": .integer, "int64": .integer, "bool": .boolean, "uint64": .u64,
            "date": .time,
            "datetime": .time, "timestamp": .time,
        ]
        if let type = others[text] { return "\(type.name)" }
        let near = allCases.map { ("\($0.name)", distance(Array("\($0.name)".utf8), word)) }.min {
            $0.1 < $1.1
        }
        return near.flatMap { $0.1 <= 2 && $0.1 * 2 < word.count ? $0.0 : nil }
    }
}

extension mm_separator {
    fileprivate var array: [UInt8] { withUnsafeBytes(of: bytes) { Array($0.prefix(Int(count))) } }
}

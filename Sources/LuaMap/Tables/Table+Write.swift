internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap
internal import Tables

/// `t:write(path [, format])`. [-0, +(0|1), –] never raises; after an error of a function it is on top.
@implementation @c
func lm_table_save(
    _ L: LuaState, _ outcome: Outcome, _ keep: CInt, _ path: UnsafePointer<CChar>, _ format: CInt
) -> CInt {
    respondTable(outcome) { () throws(TableError) in
        let table = try TableArguments(L).table(1)
        let name = UnsafeBufferPointer(start: path, count: strlen(path)).map { UInt8(bitPattern: $0) }
        try LuaRun.answer(L, keep: keep) { (run) throws(TableError) in
            try table.write(to: path, name, try RowText(writtenFormat(name, format), table.columns), run)
        }
        return 0
    }
}

private func isPacked(_ path: [UInt8]) -> Bool {
    let name = String(decoding: path.suffix(4), as: UTF8.self).lowercased()
    return name.hasSuffix(".gz") || name == ".zst"
}

/// By the word that was given, else by the extension.
private func writtenFormat(_ path: [UInt8], _ format: CInt) throws(TableError) -> RowText.Format {
    switch Int(format) {
    case LM_CSV: return .separated(by: UInt8(ascii: ","))
    case LM_TSV: return .separated(by: UInt8(ascii: "\t"))
    case LM_JSONL: return .jsonLines
    default: break
    }
    switch String(decoding: path.suffix(6), as: UTF8.self).lowercased() {
    case let end where end.hasSuffix(".csv"): return .separated(by: UInt8(ascii: ","))
    case let end where end.hasSuffix(".tsv"): return .separated(by: UInt8(ascii: "\t"))
    case ".jsonl": return .jsonLines
    default:
        throw TableError(
            isPacked(path)
                ? "'\(shown(path))': tables are not written compressed; write '.csv', '.tsv' or '.jsonl', and compress it then"
                : "the format of '\(shown(path))' is not known by its extension: name it .csv, .tsv or .jsonl, or give \"csv\", \"tsv\" or \"jsonl\""
        )
    }
}

extension Table {
    /// Writes the rows to a new file beside the old one, which takes its name at the end, or to a pipe.
    fileprivate func write(
        to path: UnsafePointer<CChar>, _ name: [UInt8], _ text: RowText, _ run: Run
    ) throws(TableError) {
        var file = mm_replacement()
        try mapped(path: name) { () throws(MapError) in try file.beginOrStream(path) }
        defer { file.abort() }
        let target = file
        let put = { (bytes: UnsafeRawBufferPointer) throws(TableError) in
            // On any thread: the run is asked by its own.
            try mapped(path: name) { () throws(MapError) in
                try target.write(bytes) { _ in !lm_is_interrupted() }
            }
        }
        var header = try List<UInt8>()
        try text.appendHeader(to: &header)
        try put(UnsafeRawBufferPointer(start: header.base, count: header.count))
        try forEachText(run, text, deposit: put)
        try mapped(path: name) { () throws(MapError) in try file.commit() }
    }
}

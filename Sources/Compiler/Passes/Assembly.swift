internal import CLLVM

extension Optimizer {
    /// The machine code as text.
    func assembly(_ ir: Emitter) throws(Reason) -> String {
        Optimizer.readable(String(decoding: try emitted(ir, LLVMAssemblyFile), as: UTF8.self))
    }

    /// The instructions and labels, and for each `.loc` the line of Lua.
    private static func readable(_ text: String) -> String {
        var result = ""
        var line = ""
        for row in text.split(separator: "\n") {
            let words = row.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard let first = words.first else { continue }
            if first == ".loc", words.count > 2 {
                if words[2] != line { result += "line \(words[2])\n" }
                line = String(words[2])
            } else if first == ".section", words.count > 1, words[1].hasPrefix(".debug") {
                break
            } else if first.hasPrefix(".LBB")
                || (!first.hasPrefix(".") && !first.hasPrefix("#") && row.first == "\t")
            {
                result += row.prefix { $0 != "#" }.replacingTabs + "\n"
            }
        }
        return result
    }
}

extension Substring {
    fileprivate var replacingTabs: String {
        var text = map { $0 == "\t" ? "    " : String($0) }.joined()
        while text.last == " " { text.removeLast() }
        return text
    }
}

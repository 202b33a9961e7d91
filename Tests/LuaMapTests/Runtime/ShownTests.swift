import Testing

/// Foreign names in messages: control characters and invalid UTF-8 are shown as codes.
@Suite struct ShownTests {
    private static let prelude = """
        local NAME <const> = "e\\27[31mv\\xc2\\x9b2Ji\\xffl\\n\\127é"
        local SHOWN <const> = "e\\\\x1b[31mv\\\\xc2\\\\x9b2Ji\\\\xffl\\\\x0a\\\\x7fé"
        local path = os.tmpname() .. NAME
        local function shown(text, wanted)
            if not text:find(wanted or SHOWN, 1, true) or text:find "[\\0-\\9\\11-\\31\\127]" or not utf8.len(text) then
                error(("%q"):format(text), 2)
            end
        end
        local f = assert(io.open(path, "w")) f:write(("x"):rep(5000)) f:close()

        """

    @Test func namesOfFiles() {
        check(
            Self.prelude + """
                local b = mmap.open(path, "r+")
                shown(tostring(b)) shown(tostring(b:slice(1, 2))) shown(tostring(b:view "u32"))
                shown(tostring(b:atomic("u8", 0)))
                local r = b:records(mmap.struct { { "x", "u8" } })
                shown(tostring(r)) shown(tostring(r[0])) shown(tostring(b:lockrange()))
                shown((b:explain():gsub("\\n", " "))) shown((b:show { ascii = false, color = false, width = 200 }:gsub("\\n", " ")))
                eq(b:info().path, path) eq(b:smaps()[1].path, (path:gsub("\\n", "\\\\012")))
                shown(tostring(mmap.memfd(NAME, 1)))
                os.remove(path)
                """)
    }

    @Test func namesInErrors() {
        check(
            Self.prelude + """
                local ok, e = pcall(mmap.open, path .. "/")
                eq(e.path, path .. "/") shown(tostring(e)) shown(e.message)
                local b = mmap.open(path)
                io.open(path, "w"):close()
                ok, e = pcall(function() return b[0] end)
                eq(e.path, path) shown(tostring(e)) shown(e.message) assert(e.message:find "has 0 now")
                os.remove(path)
                -- Text that has nothing to hide is as it was.
                ok, e = pcall(mmap.open, "/nowhere/äöü €𝄞\\\\x1b")
                eq(e.message, "No such file or directory (ENOENT): /nowhere/äöü €𝄞\\\\x1b")
                """)
    }

    @Test func namesOfFieldsAndPatterns() {
        check(
            Self.prelude + """
                os.remove(path)
                local layout = mmap.struct { { NAME, "u8" }, { "plain", "u8", 3 } }
                shown(tostring(layout)) assert(tostring(layout):find "é @0 u8, plain @1 u8%[3%] }$")
                eq(layout:fields()[1].name, NAME)
                shown(tostring(mmap.regex("\\27[31m]\\xff")), "/\\\\x1b[31m]\\\\xff/")
                """)
    }
}

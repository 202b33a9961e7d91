import Testing

/// Searches across the borders of threads' parts, against string.find.
@Suite struct SearchTests {
    @Test func placesAndCounts() async {
        await checkAlone(
            """
            local b = mmap.anonymous(2 * 1024 * 1024 + 777)
            local function letters(count, alphabet)
              local t = {}
              for i = 1, count do t[i] = string.char(96 + math.random(alphabet)) end
              return table.concat(t)
            end
            local function model(text, needle)
              local count, first, last, at, free = 0, nil, nil, 1, 1
              while true do
                local from, to = text:find(needle, at, true)
                if not from then return count, first, last end
                first, last = first or from - 1, from - 1
                if from >= free then count, free = count + 1, to + 1 end
                at = from + 1
              end
            end
            for round = 1, 30 do
              local alphabet = math.random(3)
              local isLong = round > 24
              local length = isLong and #b - math.random(1000) or math.random(0, 400)
              local text = isLong and letters(math.random(40), alphabet):rep(length):sub(1, length) or letters(length, alphabet)
              local offset = math.random(0, #b - length)
              b:copy(offset, text)
              for k = 1, isLong and 3 or 60 do
                local needle = letters(math.random(isLong and 4 or 20), alphabet)
                if length > 0 and k % 2 == 0 then local at = math.random(length); needle = text:sub(at, at + math.random(100)) end
                if isLong and alphabet == 1 then needle = ("a"):rep(math.random(9)); eq(b:count(needle, offset, length), length // #needle)
                else
                  local count, first, last = model(text, needle)
                  for threads = 1, 2 do
                    mmap.threads(threads)
                    eq(b:count(needle, offset, length), count, needle)
                    eq(b:find(needle, offset, length), first and first + offset, needle)
                    eq(b:rfind(needle, offset, length), last and last + offset, needle)
                  end
                end
              end
            end
            fails("the string must not be empty", b.count, b, "")
            """)
    }

    @Test func needlesAcrossPieces() {
        check(
            """
            local b = mmap.anonymous(3 << 20)
            for _, at in ipairs { (1 << 20) + 65536, 1 << 20, 2 << 20, 65536 } do
              for size = 2, 20 do
                for shift = 0, size do
                  local needle = ("0123456789abcdefghij"):sub(1, size)
                  b:copy(at - shift, needle)
                  eq(b:find(needle), at - shift); eq(b:rfind(needle), at - shift); eq(b:count(needle), 1)
                  b:fill(0, at - shift, size)
                end
              end
            end
            """)
    }

    @Test func threadCountCanBeSet() async {
        await checkAlone(
            """
            local before = mmap.threads()
            eq(mmap.threads(3), before); eq(mmap.threads(), 3); eq(mmap.threads(before), 3)
            fails("threads 0 is out of range %(1 to 256%)", mmap.threads, 0)
            fails("threads 257 is out of range", mmap.threads, 257)
            eq(mmap.progress(true), false); eq(mmap.progress(), true); eq(mmap.progress(false), true)
            fails("boolean expected", mmap.progress, 1)
            """)
    }

    /// Needles that almost match everywhere: the vector code gives up, and the results are the same.
    @Test func needlesThatAlmostMatchEverywhere() async {
        await checkAlone(
            """
            local size = 3 << 20
            local b = mmap.anonymous(size); b:fill(97)
            local function a(count) return ("a"):rep(count) end
            for _, at in ipairs { 1 << 20, (1 << 20) + 65535, (2 << 20) - 1, size - 5000 } do
              b[at] = 98
              for _, before in ipairs { 100, 4096, 300000 } do
                for _, after in ipairs { 0, 70, 4000 } do
                  local needle, wrong = a(before) .. "b" .. a(after), a(before) .. "b" .. a(after - 1) .. "b"
                  local place = at - before
                  for threads = 1, 2 do
                    mmap.threads(threads)
                    eq(b:find(needle), place); eq(b:rfind(needle), place); eq(b:count(needle), 1)
                    if after > 0 then eq(b:find(wrong), nil); eq(b:rfind(wrong), nil); eq(b:count(wrong), 0) end
                    eq(b:find(needle, place + 1), nil)
                    eq(b:rfind(needle, 0, place + #needle - 1), nil)
                  end
                  eq(b:rfind(a(before), 0, at), at - before)
                  eq(b:count(a(before)), at // before + (size - at - 1) // before)
                end
              end
              b[at] = 97
            end
            """)
    }

    @Test func mismatchIsTheFirstDifference() {
        check(
            """
            local a, b = mmap.anonymous(70), mmap.anonymous(70)
            eq(a:mismatch(b), nil)
            for i = 69, 0, -1 do b[i] = 1; eq(a:mismatch(b), i); eq(b:mismatch(a), i) end
            b:fill(0)
            for n = 0, 70 do eq(a:mismatch(b:slice(0, n)), n < 70 and n or nil) end
            """)
    }
}

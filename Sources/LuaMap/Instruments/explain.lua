-- The kernel's description of a mapping, as tables and as sentences.

local shown <const>, size <const>, columns <const> = ...
local concat <const>, format <const> = table.concat, string.format
local tonumber, ipairs, setmetatable, utf8 = tonumber, ipairs, setmetatable, utf8

-- The letters of VmFlags, see proc_pid_smaps(5).
local flags <const> = {
    rd = "readable", wr = "writable", ex = "executable", sh = "shared", mr = "may become readable",
    mw = "may become writable", me = "may become executable", ms = "may be shared", gd = "grows down",
    pf = "page numbers without pages", dw = "writing is denied", lo = "locked in memory", io = "device memory",
    sr = "sequential reads are expected", rr = "random reads are expected", dc = "not copied to children",
    de = "cannot be extended", ac = "counted against the limit", nr = "no swap is reserved", ht = "huge pages (hugetlb)",
    sf = "synchronous faults", nl = "non-linear", ar = "of the architecture", wf = "wiped in children",
    dd = "not in core dumps", sd = "soft-dirty", mm = "mixed map", hg = "huge pages are wanted",
    nh = "huge pages are not wanted", mg = "equal pages may be merged", um = "userfault: missing pages",
    uw = "userfault: write-protected pages", ui = "userfault: minor faults", bt = "branch protection",
    mt = "memory tags", ss = "shadow stack", sl = "sealed", gu = "has guard pages", lf = "locked when touched",
    dp = "dropped under pressure",
}

-- Breaks lines at 78 columns. A line that begins with a blank is the kernel's and is not changed.
local function wrap(lines)
    local result = {}
    for _, line in ipairs(lines) do
        if not line:find("^ ") then
            local text, column = {}, 0
            for word in line:gmatch("%S+") do
                local length = utf8.len(word) or #word
                local breaks = column + length >= 78 and column > 0
                text[#text + 1] = (breaks and "\n" or column > 0 and " " or "") .. word
                column = breaks and length or column + length + 1
            end
            line = concat(text)
        end
        result[#result + 1] = line
    end
    return concat(result, "\n")
end

local words = {}

-- Parses the text of /proc/self/smaps. The fields are sums over the entries, in bytes; the array part has the entries.
function words.smaps(text)
    local result, entry = {}, nil
    for line in text:gmatch("[^\n]+") do
        local start, stop, permissions, offset, path = line:match("^(%x+)%-(%x+) (%S+) (%x+) %S+ %d+%s*(.*)$")
        local name, value, unit = line:match("^([%w_]+):%s+(%d+) ?(k?B?)$")
        if start then
            entry = {
                address = tonumber(start, 16), length = tonumber(stop, 16) - tonumber(start, 16),
                permissions = permissions, offset = tonumber(offset, 16), path = path ~= "" and path or nil,
            }
            result[#result + 1] = entry
        elseif name and entry then
            local key, number = name:lower(), tonumber(value) * (unit == "kB" and 1024 or 1)
            entry[key] = number
            if unit == "kB" and not key:find("pagesize") then
                result[key] = (result[key] or 0) + number
            else
                result[key] = number
            end
        elseif line:find("^VmFlags:") and entry then
            entry.flags = {}
            for letters in line:sub(9):gmatch("%a%a") do
                entry.flags[letters] = flags[letters] or true
                result.flags = result.flags or {}
                result.flags[letters] = flags[letters] or true
            end
        end
    end
    return result
end

-- The purpose of each advice, see madvise(2).
local meanings <const> = {
    normal = "no special treatment: moderate readahead",
    random = "random access: no readahead",
    sequential = "sequential access: more readahead, pages behind may go soon",
    willneed = "needed soon: reading starts now",
    dontneed = "not needed: the pages are unmapped; private pages lose their contents",
    free = "not needed: the kernel may free the pages when memory is short",
    remove = "punches a hole: frees the pages and their space in the file",
    dontfork = "not inherited by children",
    dofork = "inherited by children again",
    mergeable = "equal pages may become one (KSM)",
    unmergeable = "merged pages become separate again",
    hugepage = "huge pages are wanted",
    nohugepage = "huge pages are not wanted",
    dontdump = "left out of core dumps",
    dodump = "in core dumps again",
    wipeonfork = "children get zeros",
    keeponfork = "children get the contents again",
    cold = "the first to be reclaimed when memory is short",
    pageout = "reclaimed now: written to the file or to swap",
    populate_read = "pages are read and mapped now",
    populate_write = "pages are read and mapped now, as if written to",
    dontneed_locked = "as dontneed, but also for locked pages",
    collapse = "pages become huge pages now",
    hwpoison = "a page is treated as broken memory: for tests, never tried here",
    soft_offline = "a page is taken out of use: for tests, never tried here",
    guard_install = "access is a fault (SIGSEGV); the contents are lost",
    guard_remove = "guard pages become ordinary ones",
}

local kinds <const> = { "private anonymous", "shared anonymous", "private file", "shared file" }

-- The purpose of an advice is at the end of its line or, on a narrow terminal, below it.
local function draw(list)
    local width, left = columns(), format("%-16s %3s  %-9s %-9s %-9s %-9s ", "", "", "", "", "", "")
    local longest = 0
    for _, advice in ipairs(list) do
        if #advice.meaning > longest then longest = #advice.meaning end
    end
    local is_wide = not width or #left + longest <= width
    local lines = {
        format("%-16s %3s  %-9s %-9s %-9s %s", "", "", "private", "shared", "private", "shared"),
        format("%-16s %3s  %-9s %-9s %-9s %s", "advice", "no.", "anonymous", "anonymous", "file", "file"),
    }
    for _, advice in ipairs(list) do
        local cells = {}
        for i, kind in ipairs(kinds) do
            local taken = advice.takes[kind]
            cells[i] = taken == nil and "?" or taken ~= true and taken or advice.destroys[kind] and "destroys" or "yes"
        end
        local line = format("%-16s %3d  %-9s %-9s %-9s %-9s ", advice.name, advice.number, cells[1], cells[2], cells[3], cells[4])
        lines[#lines + 1] = is_wide and line .. advice.meaning or line:match "^(.-) *$"
        if not is_wide then lines[#lines + 1] = "    " .. advice.meaning end
    end
    return concat(lines, "\n")
end

function words.advices(list)
    for _, advice in ipairs(list) do advice.meaning = meanings[advice.name] or "see madvise(2)" end
    return setmetatable(list, { __tostring = draw, __name = "mmap.advices" })
end

-- Kinds of mapping and of storage, by their numbers in C (MM_FILE …, MM_CACHE_…).
local FILE <const>, BLOCK_DEVICE <const>, CHARACTER_DEVICE <const> = 1, 2, 3
local UNKNOWN <const>, STACKED <const>, MEMORY <const>, BACKED <const> = 0, 1, 2, 3

local function protection(info)
    local names = {}
    for i, name in ipairs { "read", "written", "executed" } do
        if info.protection & (1 << i - 1) ~= 0 then names[#names + 1] = name end
    end
    return #names == 0 and "its bytes may not be accessed" or "its bytes may be " .. concat(names, " and ")
end

local function where(info)
    local path = info.path and shown(info.path) or "the file"
    if info.kind == BLOCK_DEVICE then
        return format("The bytes are those of the device %s; pages come from it when they are first touched.", path)
    elseif info.kind == CHARACTER_DEVICE then
        return format("The bytes come from the driver of %s.", path)
    elseif info.kind ~= FILE then
        return "It belongs to no file: pages are zeros, made when they are first touched, and are gone with the mapping. "
            .. "Under pressure they go to swap, if there is any."
    elseif info.storage == MEMORY then
        return format("The bytes live in the page cache alone: %s is a file in memory (tmpfs), and nothing of it ever reaches a disk, "
            .. "but for swap.", path)
    end
    local text = format("The bytes live in %s and, as far as they have been touched, in the page cache, which every process that maps or "
        .. "reads the file shares.", path)
    if info.storage == STACKED then
        text = text .. " It is on overlayfs, so they are really those of a lower file."
    elseif info.storage == nil and info.length > 0 then
        text = text .. " The file is no longer at its path, or may not be opened again."
    end
    return text
end

local function writes(info)
    local writable = info.protection & 2 ~= 0
    if info.shared then
        if info.kind == 0 then
            return "A write is seen at once by child processes, which share the memory, and by nobody else."
        elseif not writable then
            return "This mapping cannot write, but it sees at once what others write to the file."
        elseif info.storage == MEMORY then
            return "A write is seen at once by everyone who maps or reads the file. There is no disk that it could reach."
        end
        return "A write is seen at once by everyone who maps or reads the file. It reaches the disk when the kernel writes the dirty page, "
            .. "some 30 seconds later, or before sync(true) returns; a crash of the process loses nothing, a crash of the machine "
            .. "loses what was not written."
    elseif info.kind == 0 then
        return "A write is seen by nobody else; a child process gets a copy of each page when one of the two writes to it."
    end
    return (writable and "The first write to a page makes a copy of it" or "It is private: the first write to a page would make a copy of it")
        .. ", which nobody else sees and which never reaches the file. Pages that were not written to still follow the file."
end

function words.explain(info)
    if info.closed then return "This buffer is closed: nothing is mapped any more." end
    local lines = {}
    local function add(...) lines[#lines + 1] = format(...) end
    if info.slice then add("A slice of a mapping; what follows is about the whole mapping.") end
    if info.lost then
        add("Pages of the mapping are gone: the file was truncated, or the disk failed. remap() maps the file again.")
        return wrap(lines)
    end
    add("%s of %s, mapped %s: %s.", size(info.length), info.kind == 0 and "anonymous memory" or
        format("%s from byte %d on", info.path and shown(info.path) or "a file", info.offset), info.shared and "shared" or "private", protection(info))
    if info.entries and info.entries ~= "" then
        add("In /proc/self/maps:")
        local first, last
        for line in info.entries:gmatch("[^\n]+") do
            local start, stop = line:match("^(%x+)%-(%x+)")
            first, last = first or tonumber(start, 16), tonumber(stop, 16)
            add("  %s", shown(line))
        end
        if not info.slice and (info.address - first >= info.pagesize or last - info.address - info.length >= info.pagesize) then
            add("This includes memory beside the mapping: the kernel makes one entry of adjacent mappings that are alike.")
        end
    elseif info.length == 0 then
        add("It is empty, so nothing is mapped.")
    end
    add("%s", where(info))
    add("%s", writes(info))
    return wrap(lines)
end

return words

/// What the suites share that must reach every function: what there is, and what was called.
enum Interface {
    static let tools = """
        -- Where the functions of the library stand: by "class.name" a list of a table and the key in it. The classes
        -- are those of the registry, so that a new one is seen; a record's belongs to its layout: those are given.
        function interface(...)
          local places = {}
          local function add(class, functions)
            for name, f in pairs(functions) do
              if type(f) == "function" then
                local key = class .. "." .. name
                places[key] = places[key] or {}
                table.insert(places[key], { functions, name })
              end
            end
          end
          local function add_class(class, meta)
            add(class, meta)
            add(class, rawget(meta, "__methods") or {})
          end
          add("mmap", debug.getmetatable(mmap).__index)
          for key, meta in pairs(debug.getregistry()) do
            local class = type(key) == "string" and key:match "^mmap%.(%a+)$"
            if class and type(meta) == "table" and rawget(meta, "__name") then add_class(class, meta) end
          end
          for _, record in ipairs { ... } do add_class("record", debug.getmetatable(record)) end
          -- If the registry were not what it is here, nothing would be seen.
          for class in ("buffer view records record struct regex pages atomic lock child error"):gmatch "%a+" do
            assert(places[class .. ".__tostring"], class .. " is no class any more")
          end
          return places
        end
        -- Puts a function that keeps count in the place of each; the table in which it does.
        function traced(places)
          local calls = {}
          for key, list in pairs(places) do
            calls[key] = 0
            for _, place in ipairs(list) do
              local f = rawget(place[1], place[2])
              rawset(place[1], place[2], function(...) calls[key] = calls[key] + 1; return f(...) end)
            end
          end
          return calls
        end
        -- Node's accessors are many and alike.
        function is_accessor(key) return key:find "^buffer%.read%u" or key:find "^buffer%.write%u" end

        """
}

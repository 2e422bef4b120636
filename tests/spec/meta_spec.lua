-- The annotations for editors and the reference page name what there is, no less and no more.
local sim = require "umpire.sim"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

describe("what a rulebook may use", function()
  local there = {}
  setup(function()
    local world = sim.run_text [[
      local host = require "umpire"
      for name, value in pairs(host) do host.log.info("host", name, type(value)) end
      return { api = 1 }]]
    for _, line in ipairs(world.log) do
      local name, kind = line:match "rules: host (%S+) (%S+)$"
      if name then there[name] = kind end
    end
    world:close()
  end)

  it("is in the annotations", function()
    local meta = read "scripts/umpire/meta/umpire.lua"
    local said = {}
    for name in meta:gmatch "function host%.(%w+)%(" do said[name] = "function" end
    for name, kind in pairs(there) do
      if kind == "function" then assert.equal(kind, said[name], "host." .. name .. " is not annotated")
      else assert.matches("%-%-%-@field " .. name .. " ", meta) end
    end
    for name in pairs(said) do assert.equal("function", there[name], "host." .. name .. " does not exist") end
  end)

  it("is on the reference page", function()
    local page = read "scripts/umpire/README.md"
    for name, kind in pairs(there) do
      if kind == "function" then assert.truthy(page:find(name .. "(", 1, true), "host." .. name .. " is not described") end
    end
  end)

  it("is loaded by editors without an error", function()
    local chunk = assert(loadfile "scripts/umpire/meta/umpire.lua")
    local host = chunk()
    for name, kind in pairs(there) do
      if kind == "function" then assert.equal("function", type(host[name])) end
    end
  end)
end)

describe("require 'umpire' outside of a rulebook", function()
  it("says where it works", function()
    assert.error_matches(function() require "umpire" end, "inside a rulebook only")
  end)
end)

describe("the reference page", function()
  it("names every function of the simulator", function()
    local page = read "scripts/umpire/README.md"
    for what, path in pairs { world = "world", client = "client" } do
      local source = read("scripts/umpire/sim/" .. path .. ".lua")
      local pattern = what == "world" and "\nfunction methods:(%l[%w_]*)" or "\nfunction Client:(%l[%w_]*)"
      for name in source:gmatch(pattern) do
        if name ~= "idle" then
          assert.truthy(page:find(what .. ":" .. name, 1, true), what .. ":" .. name .. " is not described")
        end
      end
    end
    for name in pairs(sim) do
      if name ~= "version" then assert.truthy(page:find("sim." .. name, 1, true), "sim." .. name) end
    end
  end)
end)

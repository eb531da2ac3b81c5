import { readdirSync } from 'node:fs'
import { defineConfig, type OxlintOverride } from 'oxlint'

/**
 * The architecture in executable form: which folder of `src/` may import which. `docs/architecture.md` says why.
 *
 * A layer is a folder of `src/`; a room is a folder of a layer. What is not listed for a layer it must not import; a room without
 * an entry may import every room of its layer.
 */
const layers: Readonly<Record<string, readonly string[]>> = {
  routing: [],
  gateway: ['routing'],
  storage: ['routing'],
  control: ['routing', 'storage'],
  graphql: ['routing', 'storage', 'control'],
}

const rooms: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  routing: {
    config: ['limits', 'vendors'],
    errors: [],
    access: ['config', 'errors'],
    vendors: ['config'],
    health: ['config', 'vendors'],
    usage: ['config', 'vendors'],
    traffic: ['config', 'usage'],
  },
  gateway: {
    loop: [],
    http1: ['loop'],
    protocol: ['loop'],
    upstream: ['http1', 'loop', 'protocol'],
    body: ['http1', 'loop'],
    live: ['loop', 'upstream'],
    answer: ['body', 'http1', 'loop', 'protocol', 'upstream'],
    spool: ['loop'],
    traffic: ['loop'],
  },
  control: {
    kit: [],
    change: ['kit'],
    probe: ['kit'],
    'api-key': ['change', 'budget', 'kit', 'limit'],
    route: ['api-key', 'backend', 'change', 'budget', 'kit', 'limit'],
    'limit-subject': ['change', 'kit'],
    budget: ['change', 'kit', 'limit-subject'],
    backend: ['change', 'kit'],
  },
  graphql: {
    transport: ['graphiql', 'kit', 'schema'],
    graphiql: [],
  },
  storage: {
    secret: ['database'],
    audit: ['config', 'database'],
    user: ['config', 'database', 'route'],
  },
}

/** How deep folders go below `src/`. */
const depths = [1, 2, 3, 4]

const packages: Readonly<Record<string, { readonly regex: string; readonly message: string }>> = {
  routing: {
    regex: '^[^.]',
    message: 'routing/ imports no package: it decides and knows nobody (no I/O, no clock, no randomness).',
  },
  gateway: { regex: '^(pg|kysely|graphql)', message: 'The gateway never sees the database or GraphQL.' },
}

function foldersIn(path: string): string[] {
  return readdirSync(new URL(path, import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
}

/** Matches a path that leads `ups` folders up and then into one of `folders`. */
function into(ups: number, folders: readonly string[]): string {
  return `^(?:\\.\\./){${ups}}(?:${folders.join('|')})/`
}

function patternsOf(layer: string, room: string | undefined, depth: number) {
  const known = layers[layer]!
  const others = foldersIn('src/').filter((name) => name !== layer && !known.includes(name))
  const outOfLayer = { regex: into(depth, others), message: `${layer}/ knows ${listOf(known)}.` }
  const own = room === undefined ? undefined : rooms[layer]?.[room]
  const outOfRoom = own && {
    regex: into(
      depth - 1,
      foldersIn(`src/${layer}/`).filter((name) => name !== room && !own.includes(name)),
    ),
    message: `${layer}/${room}/ knows ${listOf(own)} of its layer.`,
  }
  return [outOfLayer, outOfRoom, packages[layer]].filter((pattern) => pattern !== undefined)
}

function listOf(folders: readonly string[]): string {
  return folders.length === 0 ? 'nobody' : `only ${folders.map((name) => `${name}/`).join(', ')}`
}

function overrideOf(files: string, layer: string, room: string | undefined, depth: number): OxlintOverride {
  return {
    files: [files],
    rules: { 'no-restricted-imports': ['error', { patterns: patternsOf(layer, room, depth) }] },
  }
}

/** Later entries replace earlier ones for the files of both, so that those of rooms come last and repeat their layer's. */
const arrows = Object.keys(layers).flatMap((layer) => [
  ...depths.map((depth) => overrideOf(`src/${layer}/${'*/'.repeat(depth - 1)}*.ts`, layer, undefined, depth)),
  ...Object.keys(rooms[layer] ?? {}).flatMap((room) =>
    depths
      .slice(1)
      .map((depth) => overrideOf(`src/${layer}/${room}/${'*/'.repeat(depth - 2)}*.ts`, layer, room, depth)),
  ),
])

export default defineConfig({
  plugins: ['typescript', 'import', 'unicorn', 'promise', 'node', 'vitest'],
  categories: { correctness: 'error', suspicious: 'error' },
  rules: {
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'import/no-default-export': 'error',
    'import/no-unassigned-import': 'off',
    'no-console': 'error',
    'no-shadow': 'off',
    'no-underscore-dangle': 'off',
    'no-await-in-loop': 'off',
    'unicorn/no-array-sort': 'off',
    'unicorn/no-array-reverse': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'off',
    'typescript/consistent-return': 'off',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/no-unsafe-type-assertion': 'off',
    'typescript/no-unnecessary-type-assertion': 'error',
    'vitest/no-focused-tests': 'error',
    'vitest/no-disabled-tests': 'error',
    'vitest/expect-expect': 'off',
    'vitest/require-mock-type-parameters': 'off',
  },
  ignorePatterns: ['console/dist/**', 'console/src/api/schema-types.d.ts'],
  overrides: [
    {
      files: ['*.config.ts', 'console/vite.config.ts', 'test/support/global-setup.ts'],
      rules: { 'import/no-default-export': 'off' },
    },
    {
      files: ['console/src/**'],
      rules: {
        'no-restricted-imports': [
          'error',
          {
            patterns: [
              {
                regex: '\\.\\./(src|test)/|/server/|^node:',
                message: 'The console is a client of the public API like any other.',
              },
            ],
          },
        ],
      },
    },
    { files: ['bench/**'], rules: { 'no-console': 'off' } },
    ...arrows,
    {
      files: ['src/routing/**'],
      rules: {
        'no-restricted-globals': [
          'error',
          'process',
          'setTimeout',
          'setInterval',
          'setImmediate',
          'fetch',
          'performance',
          'crypto',
          'console',
        ],
        'no-restricted-properties': [
          'error',
          { object: 'Math', property: 'random', message: 'routing/ has no randomness: take it as an argument.' },
          { object: 'Date', property: 'now', message: 'routing/ has no clock: take it as an argument.' },
        ],
      },
    },
  ],
})

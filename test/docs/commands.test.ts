/** Commands that the pages name beside their blocks: tests, sections of the bench, scripts and options all exist. */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createProgram } from '../../src/command-line/program.ts'
import { readDocument, repositoryDir } from '../support/document-blocks.ts'

const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...globSync('docs/**/*.md', { cwd: repositoryDir })]
const found = (pattern: RegExp) =>
  pages.flatMap((page) => [...readDocument(page).matchAll(pattern)].map((match) => ({ page, match })))

/** What stands behind `npx vitest run`, up to the end of the line or of the code. */
const testRuns = found(/((?:[A-Z_]+=\S+ )*)npx vitest run ([^`\n]*)/g).map(({ page, match: [, variables, words] }) => ({
  page,
  variables: [...variables!.matchAll(/([A-Z_]+)=/g)].map(([, name]) => name!),
  paths: words!.split(/\s+/).filter((word) => word.startsWith('test/')),
}))

test('each run of tests that a page names has its files, and its variables are read there', () => {
  expect(testRuns.length).toBeGreaterThan(15)
  for (const { page, variables, paths } of testRuns) {
    expect({ page, absent: paths.filter((path) => !existsSync(join(repositoryDir, path))) }).toEqual({
      page,
      absent: [],
    })
    const sources = paths.filter((path) => statSync(join(repositoryDir, path)).isFile())
    const text = sources.map((path) => readFileSync(join(repositoryDir, path), 'utf8')).join('\n')
    expect({ page, unread: variables.filter((name) => !text.includes(name)) }).toEqual({ page, unread: [] })
  }
})

test('each section of the bench that a page names exists', () => {
  const { stdout } = spawnSync(process.execPath, [join(repositoryDir, 'bench/main.ts'), '--help'], { encoding: 'utf8' })
  const sections = new Set([...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name!))
  const named = found(/npm run bench ((?:[a-z]+ ?)+)/g).flatMap(({ page, match }) =>
    match[1]!
      .trim()
      .split(' ')
      .map((section) => ({ page, section })),
  )
  expect(named.length).toBeGreaterThan(3)
  // Prose goes on behind the code: only what is code counts.
  const inCode = named.filter(({ page, section }) =>
    new RegExp(`npm run bench [a-z ]*\\b${section}\\b[a-z ]*(\`|#|--)`).test(readDocument(page)),
  )
  expect(inCode.filter(({ section }) => !sections.has(section))).toEqual([])
})

test('each script of npm that a page names exists', () => {
  const { scripts } = JSON.parse(readDocument('package.json')) as { scripts: Record<string, string> }
  const named = found(/`[^`\n]*npm run ([a-z:]+)/g).map(({ page, match }) => ({ page, script: match[1]! }))
  expect(named.filter(({ script }) => !(script in scripts))).toEqual([])
})

test('each command and option of signalbox that a page names exists', async () => {
  const program = await createProgram({
    environment: {},
    listenForStop: () => ({ signal: new AbortController().signal, requested: new Promise(() => undefined) }),
    stoppedWith: () => undefined,
    endWith: () => undefined,
  })
  const optionsOf = new Map(
    program.commands.map((command) => [command.name(), command.options.flatMap(({ long, short }) => [long, short])]),
  )
  const calls = found(/(?:`|^|\| )(?:[A-Z_]+=\S+ )*(?:npx )?(?:signalbox|node src\/main\.ts) ([a-z-]+)([^`|\n]*)/gm)
  expect(calls.length).toBeGreaterThan(15)
  for (const { page, match } of calls) {
    const [call, name, rest] = match
    if (name === 'help') continue
    const options = optionsOf.get(name!)
    expect({ page, call, isCommand: options !== undefined }).toEqual({ page, call, isCommand: true })
    const used = [...rest!.matchAll(/(?<=\s)--[a-z-]+/g)].map(([option]) => option)
    expect({ page, call, unknown: used.filter((option) => !options?.includes(option)) }).toEqual({
      page,
      call,
      unknown: [],
    })
  }
})

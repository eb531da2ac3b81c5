/** Every call of the README, as it is pasted, in its order, on servers like those that it names. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startProduct } from '../support/product.ts'
import { documentBlocks, readDocument } from '../support/document-blocks.ts'
import { createBlockRunner, openModelServers } from './run-page.ts'
import { openTerminal } from './terminal.ts'

const readme = readDocument('README.md')
const blocks = documentBlocks(readme)
const firstHour = blocks.filter(({ heading }) => heading === 'The first hour')
const root = join(import.meta.dirname, '../..')

test('the calls of the first hour run as they are pasted, one after the other, and do what they say', async () => {
  await using servers = await openModelServers()
  await using product = await startProduct()
  await using terminal = openTerminal({ cwd: root, env: { SIGNALBOX_DATA_DIR: product.dataDir } })
  const placeholders = { 'THE KEY': product.adminKey }
  const results = await createBlockRunner({ product, servers, terminal, placeholders })(firstHour)
  const [deployed, bought, switched, watched, taken, made, found] = results.map(({ shown }) => shown)
  expect(deployed).toContain('hello from Qwen/Qwen3-8B')
  expect(bought).toContain('"models":[{"label":"openai/gpt-5-mini"}]},"warnings":[]')
  expect(switched).toMatch(/"revision":2.*"share":0\.33.*"share":0\.66/)
  expect(watched).toMatch(/"configuredShare":0\.33.*"configuredShare":0\.66/)
  expect(taken).toContain('{"revision":3,"targets":[{"backend":{"label":"qwen3-8b"}}]}')
  expect(made).toMatch(/"secret":"sbx_/)
  expect(found).toMatch(/sbx_\w+/)
})

test('what else the README tells to type is what the tests and the package run', () => {
  const others = blocks.filter(({ heading, language }) => language !== '' && heading !== 'The first hour')
  expect(others.map(({ text }) => text)).toEqual(['npm ci && npm start\n'])
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const named = [...readme.matchAll(/`npm (?:run )?([a-z:]+)(?: [a-z]+)?`/g)].map(([, name]) => name!)
  expect(named).toContain('demo')
  expect(named.filter((name) => name !== 'ci' && !(name in scripts))).toEqual([])
})

/** The five stories of the guide, on servers like those that it names: once by GraphQL, once by script. */
import { expect, test } from 'vitest'
import { startProduct } from '../support/product.ts'
import { consoleLabelsOf, missingInConsole } from './console-labels.ts'
import { documentBlocks, readDocument } from '../support/document-blocks.ts'
import { createBlockRunner, isByHand, openModelServers } from './run-page.ts'
import { openTerminal } from './terminal.ts'

const page = readDocument('docs/guide.md')
const blocks = documentBlocks(page)
const headings = [...page.matchAll(/^## (\d\. .*)$/gm)].map(([, heading]) => heading!)

test('there are five stories, each by the console, by GraphQL and by script', () => {
  expect(headings).toHaveLength(5)
  for (const heading of headings) {
    const story = page.slice(page.indexOf(`## ${heading}`)).split(/^## /m)[1]!
    expect(story).toMatch(/\*\*Console\.\*\*[^]*\*\*GraphQL\.\*\*[^]*\*\*Script\.\*\*/)
    const languages = blocks.filter((block) => block.heading === heading).map(({ language }) => language)
    expect(languages).toEqual(expect.arrayContaining(['graphql', 'sh']))
  }
  expect(blocks.filter(isByHand)).toEqual([])
})

test('the GraphQL blocks run as they are pasted, one after the other, and do what the stories say', async () => {
  await using servers = await openModelServers()
  await using product = await startProduct()
  const results = await createBlockRunner({ product, servers })(blocks.filter(({ language }) => language === 'graphql'))
  const answers = results.map(({ shown }) => shown)
  // The servers are there and know their models: nothing is warned of.
  expect(answers.join('\n')).not.toMatch(/"warnings":\[\{/)
  expect(answers[1]).toContain('"revision":2,"targets":[{"backend":{"label":"qwen3-8b-2507"}}]')
  expect(answers[2]).toMatch(/"weight":100,"share":0\.33.*"weight":200,"share":0\.66/)
  expect(answers[4]).toContain('"backendLabel":"qwen3-8b-2507","configuredShare":1')
  expect(answers[6]).toContain('"models":[{"upstreamModel":"llama3.2"')
})

test('the scripts run as they are pasted, one after the other, and each answer comes from whom the story says', async () => {
  await using servers = await openModelServers()
  await using product = await startProduct()
  await using terminal = openTerminal()
  const scripts = blocks.filter(({ language }) => language === 'sh')
  const placeholders = { 'THE KEY': product.adminKey }
  const runBlocks = createBlockRunner({ product, servers, terminal, placeholders })
  const afterFallback = scripts.findIndex(({ text }) => text === 'ask qwen3-8b\n')

  const before = await runBlocks(scripts.slice(0, afterFallback))
  expect(servedBy(before)).toEqual([
    'qwen3-8b',
    'qwen3-8b-2507',
    'openai/gpt-5-mini',
    'openai/gpt-5-mini',
    'qwen3-8b-2507',
  ])
  expect(before.map(({ shown }) => shown).join('\n')).not.toMatch(/"warnings":\[\{/)

  await servers.at('http://127.0.0.1:8001').stopListening()
  const [fallback, ...rest] = await runBlocks(scripts.slice(afterFallback))
  expect(servedBy([fallback!])).toEqual(['openai/gpt-5-mini'])
  expect(fallback!.shown).toContain('x-signalbox-fallback: connect_error')
  expect(servedBy(rest)).toEqual(['ollama/llama3.2'])
})

test('the labels that the guide tells to click are those of the console', async () => {
  const labels = consoleLabelsOf(page)
  expect(labels.length).toBeGreaterThan(15)
  expect(await missingInConsole(labels)).toEqual([])
})

/** Which backends served, as the headers of the answers say; sorted within a block, since a split may begin with either. */
function servedBy(results: readonly { readonly shown: string }[]): string[] {
  return results.flatMap(({ shown }) =>
    [...shown.matchAll(/^x-signalbox-backend: (\S+)/gm)].map(([, label]) => decodeURIComponent(label!)).toSorted(),
  )
}

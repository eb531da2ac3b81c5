import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isObjectType } from 'graphql'
import { expect, test } from 'vitest'
import { schema } from '../../src/graphql/schema/schema.ts'
import {
  fallbackTriggers,
  requestOutcomes,
  servingStates,
  targetAvailabilities,
} from '../../src/routing/config/vocabulary.ts'

const page = await readFile(join(import.meta.dirname, '../../docs/words.md'), 'utf8')

/** The words that the page explains: the first column of its tables but the last one. */
const words = new Set(
  [...page.slice(0, page.indexOf('## The same thing elsewhere')).matchAll(/^\| ([^|]+?) \|/gm)]
    .flatMap(([, cell]) => cell!.split(', '))
    .map((word) => word.toLowerCase()),
)

/** Types whose objects are looked up by their ids, as words: `ProviderModel` is "provider model". */
const nouns = Object.values(schema.getTypeMap())
  .filter((type) => isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node'))
  .map(({ name }) => name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase())

/** The page has the shorter word for these. */
const shorter: Readonly<Record<string, string>> = {
  'deployment endpoint': 'endpoint',
  'route target': 'target',
  'route revision': 'revision',
  'request log': 'usage record',
}

test.each(nouns)('the page of words explains the %s', (noun) => {
  expect([...words]).toContain(shorter[noun] ?? noun)
})

test('states that operators read are explained by their words', () => {
  const states: readonly string[] = [...servingStates, ...targetAvailabilities, ...fallbackTriggers, ...requestOutcomes]
  for (const [word, state] of [
    ['draining', 'DRAINING'],
    ['saturated', 'SATURATED'],
    ['available', 'AVAILABLE'],
  ] as const) {
    expect(states).toContain(state)
    expect([...words]).toContain(word)
  }
})

const codeNouns = [...page.slice(page.indexOf('## Nouns of the code')).matchAll(/^\| ([a-z]+) \| /gm)].map(
  ([, noun]) => noun!,
)

test('every exported type ends in a noun that the page explains, and the page explains no other noun', async () => {
  const used = new Map<string, string>()
  for await (const path of glob('src/**/*.ts', { cwd: join(import.meta.dirname, '../..') }))
    for (const name of exportedTypes(await readFile(join(import.meta.dirname, '../..', path), 'utf8')))
      used.set(codeNounOf(name), `${name} in ${path}`)
  const explained = new Set(codeNouns.slice(1))
  expect(
    [...used].filter(([noun]) => !explained.has(noun)),
    'add them to docs/words.md, "Nouns of the code"',
  ).toEqual([])
  expect([...explained].filter((noun) => !used.has(noun))).toEqual([])
})

function exportedTypes(text: string): string[] {
  return [...text.matchAll(/^export (?:declare |abstract )*(?:class|interface|type) (\w+)/gm)].map(([, name]) => name!)
}

/** `RouteTargets`: target. A plural is explained by its singular. */
function codeNounOf(name: string): string {
  const word = /[A-Z](?:[a-z0-9]*|[A-Z]*)$/.exec(name)![0].toLowerCase()
  const singulars = [word.replace(/ies$/, 'y'), word.replace(/s$/, '')]
  return codeNouns.includes(word) ? word : (singulars.find((singular) => codeNouns.includes(singular)) ?? word)
}

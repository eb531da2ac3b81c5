import { readFile } from 'node:fs/promises'
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

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { gatewayErrorMessage, gatewayErrors } from '../../../src/routing/errors/gateway-errors.ts'
import { operations } from '../../../src/routing/vendors/operation.ts'

function tableRows(file: string): readonly string[] {
  const text = readFileSync(new URL(`../../../docs/${file}`, import.meta.url), 'utf8')
  return text.split('\n').filter((line) => line.startsWith('| `'))
}

describe('docs/errors.md', () => {
  test.each(Object.entries(gatewayErrors))('tells of %s what the gateway says', (code, facts) => {
    const message = facts.message.replace('{detail}', '…')
    const cells = [
      `\`${code}\``,
      facts.status,
      `\`${facts.type}\``,
      `\`${facts.anthropicType}\``,
      message,
      facts.remedy,
    ]
    expect(tableRows('errors.md')).toContain(`| ${cells.join(' | ')} |`)
  })

  test('has no row for an error that the gateway does not know', () => {
    const codes = tableRows('errors.md').map((row) => /^\| `(\w+)` \| \d{3} \|/.exec(row)?.[1])
    expect(codes.filter((code) => code !== undefined).sort()).toEqual(Object.keys(gatewayErrors).sort())
  })
})

test('docs/operations.md lists the operations', () => {
  const listed = tableRows('operations.md').flatMap((row) => /^\| `((?:GET|POST) .*?)` \|/.exec(row)?.[1] ?? [])
  expect(listed).toEqual(operations.map(({ method, path }) => `${method} ${path}`))
})

test('a message never repeats more than 160 characters of what a client sent, nor reads them as a pattern', () => {
  expect(gatewayErrorMessage('model_not_found', 'x'.repeat(9_000)).length).toBeLessThan(200)
  expect(gatewayErrorMessage('model_not_found', '`$&`')).toBe('There is no model `$&`.')
})

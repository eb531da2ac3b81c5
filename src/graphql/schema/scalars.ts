import type { ValueNode } from 'graphql'
import { Kind } from 'graphql'
import { canonicalDecimal } from '../../routing/usage/decimal.ts'
import { builder } from './builder.ts'
import { badUserInput } from '../kit/fault.ts'

const maxUrlLength = 65_536
const maxDecimalLength = 64

builder.scalarType('DateTime', {
  description: 'An instant, RFC 3339 in UTC with milliseconds, e.g. `2026-11-22T10:15:30.123Z`.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
  serialize: (value) => value.toISOString(),
  parseValue: parseDateTime,
})

builder.scalarType('URL', {
  description: 'An absolute `http` or `https` URL, at most 2,048 characters, without user info and fragment.',
  specifiedByURL: 'https://url.spec.whatwg.org/',
  serialize: (value) => value,
  // An invalid URL is not a fault of the request: the mutation checks it and answers with a user error that names its place.
  parseValue: (value) => {
    if (typeof value !== 'string' || value.length > maxUrlLength) throw badUserInput('A URL is a string.')
    return value
  },
})

builder.scalarType('SafeInt', {
  description: 'A whole number up to 2^53 - 1, sent as a JSON number. Counters can exceed `Int`.',
  serialize: (value) => value,
  parseValue: (value) => {
    if (!Number.isSafeInteger(value)) throw badUserInput('A SafeInt is a whole number up to 2^53 - 1.')
    return value as number
  },
})

builder.scalarType('Decimal', {
  description: 'An exact decimal as a string, e.g. `"0.00001725"`.',
  serialize: canonicalDecimal,
  parseValue: (value) => {
    if (typeof value !== 'string' || value.length > maxDecimalLength || !/^-?\d+(\.\d+)?$/.test(value))
      throw badUserInput('A Decimal is a string of digits with at most one point, e.g. "0.25".')
    return canonicalDecimal(value)
  },
})

builder.scalarType('JSONObject', {
  description: 'Any JSON object.',
  serialize: (value) => value,
  parseValue: requireObject,
  parseLiteral: (node, variables) => requireObject(valueOf(node, variables ?? {})),
})

/** RFC 3339, section 5.6; more than milliseconds are cut off. */
const instantPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i

function parseDateTime(value: unknown): Date {
  const instant = typeof value === 'string' && instantPattern.test(value) ? new Date(value.toUpperCase()) : null
  if (!instant || Number.isNaN(instant.getTime()) || !isOnCalendar(value as string))
    throw badUserInput('A DateTime is an instant of RFC 3339, e.g. "2026-11-22T10:15:30.123Z".')
  return instant
}

/** Whether the date exists: JavaScript would read 30 February as 2 March. */
function isOnCalendar(text: string): boolean {
  const [year, month, day] = text.slice(0, 10).split('-').map(Number)
  return day! <= new Date(Date.UTC(year!, month, 0)).getUTCDate()
}

function requireObject(value: unknown): Readonly<Record<string, unknown>> {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw badUserInput('A JSONObject is a JSON object.')
  return value as Readonly<Record<string, unknown>>
}

function valueOf(node: ValueNode, variables: Readonly<Record<string, unknown>>): unknown {
  switch (node.kind) {
    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map((field) => [field.name.value, valueOf(field.value, variables)]))
    case Kind.LIST:
      return node.values.map((item) => valueOf(item, variables))
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value)
    case Kind.NULL:
      return null
    case Kind.VARIABLE:
      return variables[node.name.value]
    case Kind.STRING:
    case Kind.BOOLEAN:
    case Kind.ENUM:
      return node.value
  }
}

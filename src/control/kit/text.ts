import { refuseInput } from './refusal.ts'

export const maxNameLength = 128
export const maxDescriptionLength = 4_096
export const maxReasonLength = 1_024

/**
 * Characters that are invisible or change how others look: control and format characters (zero-width, bidirectional), line separators,
 * fillers, variation selectors, private use. With them two different names could look the same.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u

/**
 * The stored form of a name: Unicode normal form C, in which names that look the same are equal. Throws unless it has 1 to 128 visible
 * characters, with plain blanks between them as the only white space.
 */
export function requireName(text: string, path: readonly string[]): string {
  const name = text.normalize('NFC')
  if (name.length === 0 || name.length > maxNameLength)
    throw refuseInput('INVALID', path, `A name has 1 to ${maxNameLength} characters.`)
  if (unseen.test(name))
    throw refuseInput('INVALID', path, 'A name has no control characters and no invisible characters.')
  if (name.trim() !== name) throw refuseInput('INVALID', path, 'A name does not begin or end with white space.')
  if (/[^\P{Zs} ]/u.test(name)) throw refuseInput('INVALID', path, 'A name has no white space other than plain blanks.')
  return name
}

/** The text. Throws if it is longer than `maxLength` UTF-16 units, or has control characters other than tabs and line breaks. */
export function requireText(text: string, path: readonly string[], maxLength: number): string {
  if (text.length > maxLength) throw refuseInput('INVALID', path, `It has at most ${maxLength} characters.`)
  if (/[^\P{Cc}\t\n\r]/u.test(text))
    throw refuseInput('INVALID', path, 'It has no control characters other than tabs and line breaks.')
  return text
}

/** The name. Throws unless it can be the name of a model at an upstream. */
export function requireUpstreamModel(model: string, path: readonly string[]): string {
  if (!isUpstreamModel(model)) throw refuseInput('INVALID', path, 'A model name has 1 to 256 visible characters.')
  return model
}

/** Whether it can be the name of a model at an upstream: 1 to 256 visible characters. */
export function isUpstreamModel(model: string): boolean {
  return model.length > 0 && model.length <= 256 && !unseen.test(model)
}

import { refuseInput } from './refusal.ts'

export const maxNameLength = 128
export const maxDescriptionLength = 4_096
export const maxReasonLength = 1_024

/** Throws unless it can be a name: 1 to 128 characters, none of them a control character, no white space at its ends. */
export function requireName(name: string, path: readonly string[]): void {
  if (name.length === 0 || name.length > maxNameLength)
    throw refuseInput('INVALID', path, `A name has 1 to ${maxNameLength} characters.`)
  if (/\p{Cc}/u.test(name)) throw refuseInput('INVALID', path, 'A name has no control characters.')
  if (name.trim() !== name) throw refuseInput('INVALID', path, 'A name does not begin or end with white space.')
}

/** Throws if the text is longer than `maxLength` UTF-16 units, or has control characters other than tabs and line breaks. */
export function requireText(text: string, path: readonly string[], maxLength: number): void {
  if (text.length > maxLength) throw refuseInput('INVALID', path, `It has at most ${maxLength} characters.`)
  if (/[^\P{Cc}\t\n\r]/u.test(text))
    throw refuseInput('INVALID', path, 'It has no control characters other than tabs and line breaks.')
}

/** Throws unless it can be the name of a model at an upstream. */
export function requireUpstreamModel(model: string, path: readonly string[]): void {
  if (!isUpstreamModel(model))
    throw refuseInput('INVALID', path, 'A model name has 1 to 256 characters, none of them a control character.')
}

/** Whether it can be the name of a model at an upstream: 1 to 256 characters, none of them a control character. */
export function isUpstreamModel(model: string): boolean {
  return model.length > 0 && model.length <= 256 && !/\p{Cc}/u.test(model)
}

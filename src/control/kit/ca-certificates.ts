import { X509Certificate } from 'node:crypto'
import { refuseInput } from './refusal.ts'

const maxLength = 65_536
const maxCertificates = 32
const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

/**
 * The stored form of the certificates: the PEM blocks without other text; null: none. Throws `INVALID` or `LIMIT_EXCEEDED`. The message
 * does not show the text, which may be a private key by mistake.
 */
export function resolveCaCertificates(text: string | null, path: readonly string[]): string | null {
  if (text === null || text.trim() === '') return null
  if (text.length > maxLength)
    throw refuseInput('LIMIT_EXCEEDED', path, `The certificates have at most ${maxLength} characters.`)
  if (text.includes('PRIVATE KEY-----'))
    throw refuseInput('INVALID', path, 'This holds a private key: give the certificates of the authorities alone.')
  const blocks = text.match(block) ?? []
  if (blocks.length === 0)
    throw refuseInput('INVALID', path, 'It is PEM: one or more blocks that begin with -----BEGIN CERTIFICATE-----.')
  if (blocks.length > maxCertificates)
    throw refuseInput('LIMIT_EXCEEDED', path, `There are at most ${maxCertificates} certificates.`)
  for (const [index, pem] of blocks.entries()) requireCertificate(pem, index + 1, path)
  return `${blocks.map((pem) => pem.replaceAll('\r\n', '\n')).join('\n')}\n`
}

function requireCertificate(pem: string, number: number, path: readonly string[]): void {
  if (!isCertificate(pem)) throw refuseInput('INVALID', path, `Certificate ${number} cannot be read.`)
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}

const name = 'signalbox.console.key'

/** The key of this browser, if it was asked to remember one. A browser without storage remembers nothing. */
export function rememberedKey(): string | undefined {
  try {
    return localStorage.getItem(name) ?? undefined
  } catch {
    return undefined
  }
}

export function rememberKey(key: string): void {
  try {
    localStorage.setItem(name, key)
  } catch {
    // Not allowed here: the key stays in memory.
  }
}

export function forgetKey(): void {
  try {
    localStorage.removeItem(name)
  } catch {
    // Then there is none either.
  }
}

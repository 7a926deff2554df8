// Elements from words. Text goes in as text: nothing from a package is ever read as HTML.
type Child = Node | string | false | null | undefined
type Attributes = Record<string, string | ((e: Event) => void)>

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes))
    if (typeof value === 'string') e.setAttribute(name, value)
    else e.addEventListener(name, value)
  for (const c of children) if (c) e.append(c)
  return e
}

/** Control characters and those that turn the direction of text around are shown as "?". */
export function clean(text: unknown): string {
  return typeof text === 'string' ? text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '?') : ''
}

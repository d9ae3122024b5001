import assert from 'node:assert/strict'
import { test } from 'node:test'
import { html } from './html.ts'

test('what is shown is escaped, in text and in attributes; what is page already is not', () => {
  const name = `</td><script>alert("1")</script>&'`
  assert.equal(
    html`<td title="${name}">${html`<b>${name}</b>`}</td>`.text,
    '<td title="&lt;/td&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;">' +
      '<b>&lt;/td&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;</b></td>',
  )
})

test('lists are put together, nothing is nothing, and control characters are shown as marks', () => {
  assert.equal(html`<p>${[html`a`, undefined, html`b`]}${undefined}${0}</p>`.text, '<p>ab0</p>')
  assert.equal(html`${'a\0b\x1bc\nd'}`.text, 'a\ufffdb\ufffdc\nd')
})

#version 300 es
// A strip of the screen's width.
layout(location = 0) in vec3 position;
layout(location = 2) in vec2 place;
uniform float top;
out vec2 uv;

void main() {
    uv = place;
    gl_Position = vec4(position.x, mix(-1.0, top, position.y), 0.0, 1.0);
}

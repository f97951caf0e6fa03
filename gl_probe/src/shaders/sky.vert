#version 300 es
// The whole screen.
layout(location = 0) in vec3 position;
out vec2 place;

void main() {
    place = position.xy;
    gl_Position = vec4(position.xy, 0.0, 1.0);
}

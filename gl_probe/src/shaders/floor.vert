#version 300 es
// A floor that reaches to the horizon.
layout(location = 0) in vec3 position;
layout(location = 2) in vec2 place;
uniform mat4 clip;
out vec3 world;
out vec2 uv;
out vec4 seen;

void main() {
    world = position;
    uv = place;
    seen = clip * vec4(position, 1.0);
    gl_Position = seen;
}
